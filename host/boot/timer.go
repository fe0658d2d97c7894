package boot

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

// Timer counts in the boot-time clock and is exact: a timer of the runtime may be a
// millisecond late, and wakes the process twice.
type Timer struct {
	file *os.File
	raw  syscall.RawConn
	fd   int
	read func(fd uintptr) bool
}

// NewTimer returns a timer that is not set.
func NewTimer() (*Timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	a := &Timer{file: os.NewFile(uintptr(fd), "timer"), fd: fd}
	a.raw, err = a.file.SyscallConn()
	a.read = func(fd uintptr) bool {
		var rang [8]byte // how often
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&rang)), uintptr(len(rang)))
		return errno != unix.EAGAIN
	}
	return a, err
}

// Wait returns true at the instant, or false once the timer is stopped.
func (a *Timer) Wait(at clock.Instant) bool {
	SetTimer(a.fd, at)
	return a.raw.Read(a.read) == nil
}

// Move sets another instant while Wait waits.
func (a *Timer) Move(at clock.Instant) { SetTimer(a.fd, at) }

// Stop ends Wait and gives the timer back.
func (a *Timer) Stop() { a.file.Close() }

// SetTimer has a timer of the boot-time clock ring at the instant, at once if that has
// passed.
func SetTimer(fd int, at clock.Instant) {
	const absolute = unix.TFD_TIMER_ABSTIME
	when := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(at, 1)))} // 0 would take the timer back
	unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(fd), absolute, uintptr(unsafe.Pointer(&when)), 0, 0, 0)
}
