package child

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread that ends with it: what f changes of the thread, a fork
// of f inherits and no other goroutine meets. It is never the process's first thread,
// by whose credentials the kernel judges the process as a whole, and which can't end.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good, unless it is the first
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			onThread(f)
			return
		}
		f()
	}()
	<-done
}

// defaultSlack is the kernel's timer slack of an ordinary process, in nanoseconds.
const defaultSlack = 50_000

// dropRights takes from the calling thread all that a command must not inherit. The
// user's change is left to the new process, whose parent must be able to put it into a
// control group.
func (id identity) dropRights() error {
	ordinary := unix.SchedAttr{
		// Reset on fork keeps it so if the daemon's priority is raised in between.
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}
	_ = unix.SchedSetAttr(0, &ordinary, 0) // refused only to a process that runs after others already
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, defaultSlack, 0, 0, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_KEYCTL, unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0) // a kernel may have none
	if !id.changes() && id.regroups() {
		if err := setGroups(id.gid, uintptr(id.gid), id.groups); err != nil {
			return err
		}
	}
	if id.all {
		return nil
	}
	return id.dropCapabilities()
}

// dropCapabilities leaves the thread those that the command gets and, where it is to
// become another user, the capabilities for that, which the change takes from it.
func (id identity) dropCapabilities() error {
	have, err := ownCapabilities()
	if err != nil {
		return err
	}
	var given capabilitySet
	for _, number := range id.capabilities {
		given |= 1 << number
	}
	// Without CAP_SETPCAP the two below are refused; then root's commands keep those of this
	// thread: no_new_privs lets them gain none.
	_ = unix.Prctl(unix.PR_SET_SECUREBITS, 0, 0, 0, 0)
	for number := range uintptr(64) {
		if !given.has(int(number)) && unix.Prctl(unix.PR_CAPBSET_DROP, number, 0, 0, 0) == unix.EINVAL {
			break // the kernel has no more of them
		}
	}
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
	if !id.changes() {
		// The daemon's memory is locked, and the runtime may map more of it on this
		// thread, which the kernel refuses without this one. An exec takes it.
		have &= given | 1<<unix.CAP_IPC_LOCK
	}
	if err := setCapabilities(have); err != nil {
		return fmt.Errorf("give up capabilities: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	return nil
}

// keep leaves a user or group as it is (setresuid(2)).
const keep = ^uintptr(0)

// setGroups sets the real group, the effective and saved one unless it is to be kept, and
// the supplementary groups of the calling thread alone, unlike package syscall.
func setGroups(gid uint32, effective uintptr, groups []uint32) error {
	first := unsafe.Pointer(nil)
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	_, _, err1 := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(first), 0)
	_, _, err2 := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), effective, effective)
	return errors.Join(numbered("set groups", err1), numbered("set group", err2))
}

func numbered(what string, errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", what, errno)
}
