package child

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fork calls start on a thread without the daemon's rights. start forks with the
// attributes given and returns the id of the process; where it fails, fork calls it a
// second time with other ones.
func (r Rights) fork(start func(attr *syscall.SysProcAttr) (pid int, err error)) error {
	id, err := r.identity()
	if err != nil {
		return err
	}
	dumpable, _, _ := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE, 0, 0, 0, 0, 0)
	onThread(func() {
		if err = id.dropRights(); err == nil {
			err = id.start(start)
		}
	})
	if dumpable == 1 {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) // a change of user had forbidden it, in this memory too
	}
	return err
}

// start forks on the calling thread. The process is held at its first instruction until
// its limits and OOM score are set; where the host forbids to hold it, they are set at
// once after the start.
func (id identity) start(start func(*syscall.SysProcAttr) (int, error)) error {
	attr := id.attributes()
	attr.Ptrace = true
	pid, err := registered(func() (int, error) { return start(attr) })
	held := err == nil
	if err != nil {
		pid, err = registered(func() (int, error) { return start(id.attributes()) })
	}
	if err != nil {
		return err
	}
	if held {
		held = awaitStop(pid)
	}
	settled := make(chan struct{})
	go func() { // on a thread that has the daemon's rights
		defer close(settled)
		id.resetProcess(pid)
	}()
	<-settled
	if held {
		release(pid)
	}
	return nil
}

// attributes are those of the process: a session of its own, in which it does not share
// the daemon's priority among sessions, and its user.
func (id identity) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, AmbientCaps: id.ambient()}
	if id.changes() {
		attr.Credential = &syscall.Credential{Uid: id.uid, Gid: id.gid, Groups: id.groups}
	}
	return attr
}

// ambient lists the capabilities that a command which is not root keeps across its exec.
func (id identity) ambient() []uintptr {
	if !id.all {
		return id.capabilities
	}
	if id.uid == 0 {
		return nil // it has them by being root
	}
	have, _ := ownCapabilities()
	var list []uintptr
	for number := range capabilityNames {
		if have.has(number) {
			list = append(list, uintptr(number))
		}
	}
	return list
}

// awaitStop waits until the process stands at the first instruction of its program. It
// returns false if it has ended instead, which the caller of Start learns by waiting.
func awaitStop(pid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && info.Code == trapped
	}
}

// trapped is CLD_TRAPPED: a traced process has stopped (waitid(2)).
const trapped = 4

// ptraceSetSigmask is PTRACE_SETSIGMASK (ptrace(2)), which package unix lacks.
const ptraceSetSigmask = 0x420b

// release lets the process run, with no signal blocked.
func release(pid int) {
	var none uint64
	_, _, _ = unix.RawSyscall6(unix.SYS_PTRACE, ptraceSetSigmask, uintptr(pid), unsafe.Sizeof(none), uintptr(unsafe.Pointer(&none)), 0, 0)
	_ = unix.PtraceDetach(pid) // it has ended meanwhile
}

// lockedMemory is the kernel's own limit of locked memory, in octets.
const lockedMemory = 8 << 20

// resetProcess takes the limits and the OOM score from a process, and gives it the pipes that
// its output goes to, so that it may open them again by /dev/stderr. It may have ended.
func (id identity) resetProcess(pid int) {
	if id.all {
		resetOOMScore(pid)
		return
	}
	for resource, most := range map[int]uint64{unix.RLIMIT_NICE: 0, unix.RLIMIT_RTPRIO: 0, unix.RLIMIT_MEMLOCK: lockedMemory} {
		var l unix.Rlimit
		if unix.Prlimit(pid, resource, nil, &l) == nil && l.Max > most {
			_ = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: min(l.Cur, most), Max: most}, nil)
		}
	}
	resetOOMScore(pid)
	if !id.changes() {
		return
	}
	for fd := 1; fd <= 2; fd++ {
		path := fmt.Sprintf("/proc/%d/fd/%d", pid, fd)
		if to, err := os.Readlink(path); err == nil && strings.HasPrefix(to, "pipe:") {
			_ = os.Chown(path, int(id.uid), int(id.gid))
		}
	}
}

// resetOOMScore takes from a process the daemon's protection from being killed when memory is
// short.
func resetOOMScore(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0) // raising it is allowed to everybody
}
