// Package boot reads the facts that last from one start of the host to the next:
// the boot-time clock and the boot id.
//
//	CLOCK_BOOTTIME                      ─► Now    leases, expiries, timeouts
//	/proc/sys/kernel/random/boot_id     ─► ReadID pages and records of an earlier boot
//
// Instants of two boots cannot be compared, so a file that holds instants holds the boot
// id too. The package stores neither. Timer waits for an instant of the boot-time clock.
package boot

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

// Now reads CLOCK_BOOTTIME. The call never waits, so it bypasses the scheduler: a system
// call that the scheduler sees wakes the runtime's monitor thread of an idle program.
func Now() clock.Instant {
	var t unix.Timespec
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		panic("boot: no boot-time clock: " + errno.Error()) // every Linux since 2.6.39 has it
	}
	return clock.Instant(t.Nano())
}

// ID is the kernel's random id of one boot (a UUID, RFC 9562). The zero ID stands for a
// kernel that does not publish one.
type ID [16]byte

// TextSize is the length of an ID's text in octets.
const TextSize = 36

// String is the text as the kernel writes it: 36 octets.
func (id ID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

const idFile = "/proc/sys/kernel/random/boot_id"

// ReadID reads the id of this boot.
func ReadID() (ID, error) {
	// Package os would register the file with the runtime's poller at each call.
	fd, err := unix.Open(idFile, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return ID{}, fmt.Errorf("open %s: %w", idFile, err)
	}
	defer unix.Close(fd)
	var text [2 * TextSize]byte
	n, err := unix.Read(fd, text[:])
	if err != nil {
		return ID{}, fmt.Errorf("read %s: %w", idFile, err)
	}
	return parse(string(text[:n]))
}

// This is the id of this boot, zero if the kernel does not publish one.
func This() ID {
	id, _ := ReadID()
	return id
}

func parse(text string) (id ID, err error) {
	digits := strings.ReplaceAll(strings.TrimSpace(text), "-", "")
	octets, err := hex.DecodeString(digits)
	if err != nil || len(octets) != len(id) {
		return ID{}, fmt.Errorf("boot id %q: want %d octets in hexadecimal", text, len(id))
	}
	return ID(octets), nil
}
