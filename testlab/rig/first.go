package rig

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// verdictDescriptor is where pid 1 writes why it failed; closed unwritten, all is well.
const verdictDescriptor = 3

// forbidden are the rights by which even a private process could hurt the machine.
var forbidden = []uintptr{unix.CAP_SYS_TIME, unix.CAP_SYS_BOOT, unix.CAP_SYS_MODULE}

// beFirst is the life of pid 1: it prepares the namespaces, starts the program proper,
// passes signals on, reaps whatever is orphaned, and returns the program's exit code.
// When it ends, the kernel kills everything else in the namespaces.
func beFirst() int {
	runtime.LockOSThread() // what is dropped below is dropped for this thread's children
	unix.CloseOnExec(verdictDescriptor)
	verdict := os.NewFile(verdictDescriptor, "verdict")
	outside, _ := os.Readlink("/proc/self") // still the host's /proc: the host's number
	signals := catch()
	defer signal.Stop(signals)
	program, err := startInside(outside)
	if err != nil {
		fmt.Fprint(verdict, err)
		return 1
	}
	verdict.Close()
	go passOn(signals, program)
	return reapUntil(program)
}

// startInside prepares the namespaces and starts the program proper in them.
func startInside(outside string) (int, error) {
	if err := mounts(false); err != nil {
		return 0, err
	}
	if err := loopbackUp(); err != nil {
		return 0, err
	}
	for _, right := range forbidden {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0); err != nil {
			return 0, fmt.Errorf("drop capability %d: %w", right, err)
		}
	}
	environment := append(os.Environ(), stageVariable+"="+stageInside, pidVariable+"="+outside)
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args,
		&syscall.ProcAttr{Env: environment, Files: []uintptr{0, 1, 2}})
	if err != nil {
		return 0, fmt.Errorf("start %s in private namespaces: %w", os.Args[0], err)
	}
	return pid, nil
}

// loopbackUp brings up the loopback device of the current network namespace.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set loopback up: %w", err)
	}
	return nil
}

// reapUntil collects every child, its own and orphans, until the one with pid ends,
// and returns that one's exit code.
func reapUntil(pid int) int {
	for {
		var status syscall.WaitStatus
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 1
		case ended == pid:
			return exitCode(status)
		}
	}
}
