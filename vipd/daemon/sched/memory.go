package sched

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// lockMemory keeps what this process touches from now on from being paged out. On
// fault: without it every page of the runtime's address space would be brought in,
// gigabytes of it.
func lockMemory() error {
	return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
}

// ReleaseStartupMemory frees the memory that only the start needed: the garbage of reading the
// configuration, and the pages of the program that are not run again. What is needed
// after all comes back from the page cache. It is a matter of size alone, so what the
// host refuses is left as it is.
func ReleaseStartupMemory() {
	debug.FreeOSMemory()
	if unix.Munlockall() != nil {
		return
	}
	defer lockMemory()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var rights string
		line := lines.Text()
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &rights); err != nil || !strings.HasSuffix(line, program) {
			continue
		}
		if rights[1] == '-' { // read only: nothing in it is ours to lose
			unix.RawSyscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}
