package unit

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vipd/host/cgroup"
	"vipd/host/child"
)

// mainProcess is the process that we started, held by a pidfd: the number can't
// come to mean another one.
type mainProcess struct {
	pid   int
	file  *os.File // the pidfd
	child bool     // of this process, so that its end can be asked for
}

// pidfdFile makes a pidfd something that the runtime's poller waits for, with
// no thread of its own.
func pidfdFile(fd int) *os.File {
	unix.CloseOnExec(fd)
	_ = unix.SetNonblock(fd, true) // a flag that every open file has
	return os.NewFile(uintptr(fd), "pidfd")
}

// openMain takes hold of a process of the control group that started at the
// given time, in clock ticks since boot.
func openMain(pid int, started uint64, group cgroup.Group) (*mainProcess, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pid %d: %w", pid, err)
	}
	was, parent, err := startOf(pid)
	switch {
	case err != nil:
	case was != started || !slices.Contains(group.Processes(), pid):
		err = fmt.Errorf("pid %d is another process now", pid)
	case ended(fd):
		err = fmt.Errorf("pid %d has ended", pid)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	// A parent that is us started it before it became this program.
	m := &mainProcess{pid: pid, file: pidfdFile(fd), child: parent == os.Getpid()}
	if m.child {
		child.Expect(pid)
	}
	return m, nil
}

// startOf reads when a process was started, in clock ticks since boot, and by
// whom.
func startOf(pid int) (started uint64, parent int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// 42 (any name) S 1 … ; the start is field 22, the name is field 2
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return 0, 0, err
	}
	started, err = strconv.ParseUint(fields[19], 10, 64)
	return started, parent, err
}

// ended says whether the process of a pidfd has ended.
func ended(pidfd int) bool {
	end := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, _ := unix.Poll(end, 0)
	return n > 0
}

// wait returns nil when the process has ended, os.ErrDeadlineExceeded after the
// given time, and os.ErrClosed after close.
func (m *mainProcess) wait(most time.Duration) error {
	raw, err := m.file.SyscallConn()
	if err != nil {
		return err
	}
	if err := m.file.SetReadDeadline(time.Now().Add(most)); err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool { return ended(int(fd)) })
}

// signal sends the process a signal; one that has ended needs none.
func (m *mainProcess) signal(s syscall.Signal) error {
	raw, err := m.file.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) { sent = unix.PidfdSendSignal(int(fd), s, nil, 0) })
	if errors.Is(sent, unix.ESRCH) {
		sent = nil
	}
	return errors.Join(err, sent)
}

// exitText says how the process ended, and lets the kernel forget it.
func (m *mainProcess) exitText() string {
	var status syscall.WaitStatus
	if !m.child {
		return "ended; its exit status is not known, since an earlier daemon started it"
	}
	if _, err := syscall.Wait4(m.pid, &status, syscall.WNOHANG, nil); err != nil {
		return "ended; its exit status is not known: " + err.Error()
	}
	switch {
	case status.Signaled() && status.CoreDump():
		return "killed by " + unix.SignalName(status.Signal()) + ", core dumped"
	case status.Signaled():
		return "killed by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// close lets go of the process. From here on nothing waits for it.
func (m *mainProcess) close() {
	if m.child {
		child.Done(m.pid)
	}
	m.file.Close()
}
