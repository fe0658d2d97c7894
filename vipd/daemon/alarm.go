package daemon

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

// alarm is what the beater waits with.
type alarm interface {
	// wait returns at the instant, or false when it was stopped.
	wait(at clock.Instant) bool
	// move sets another instant while somebody waits.
	move(at clock.Instant)
	stop()
}

// bootAlarm counts in the boot-time clock and is exact: a timer of the runtime may be a
// millisecond late, and wakes the process twice.
type bootAlarm struct {
	file *os.File
	raw  syscall.RawConn
	fd   int
	read func(fd uintptr) bool
}

func newBootAlarm() (*bootAlarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	a := &bootAlarm{file: os.NewFile(uintptr(fd), "timer"), fd: fd}
	a.raw, err = a.file.SyscallConn()
	a.read = func(fd uintptr) bool {
		var rang [8]byte // how often
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&rang)), uintptr(len(rang)))
		return errno != unix.EAGAIN
	}
	return a, err
}

func (a *bootAlarm) wait(at clock.Instant) bool {
	setTimer(a.fd, at)
	return a.raw.Read(a.read) == nil
}

func (a *bootAlarm) move(at clock.Instant) { setTimer(a.fd, at) }

func (a *bootAlarm) stop() { a.file.Close() }

// setTimer has a timer of the boot-time clock ring at the instant, at once if that has
// passed.
func setTimer(fd int, at clock.Instant) {
	const absolute = unix.TFD_TIMER_ABSTIME
	when := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(at, 1)))} // 0 would take the timer back
	unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(fd), absolute, uintptr(unsafe.Pointer(&when)), 0, 0, 0)
}
