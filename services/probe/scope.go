package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"vipd/host/cgroup"
	"vipd/host/child"
)

// processScope keeps a command and all that it starts together, so that all of it can be
// killed: in a control group if it can be made, and in a session of its own.
type processScope struct {
	group  cgroup.Group // empty: none
	rights child.Rights
}

// startedScope is a command under way.
type startedScope struct {
	session int
	group   cgroup.Group // empty: the kernel did not let it in
}

// start starts the command inside: in the session alone where the kernel lets it
// not into the control group.
func (f processScope) start(c command, said io.Writer) (*exec.Cmd, startedScope, error) {
	if folder := f.makeGroup(); folder != nil {
		defer folder.Close()
		cmd, err := f.run(c, said, folder)
		if err == nil {
			return cmd, startedScope{cmd.Process.Pid, f.group}, nil
		}
		f.group.Remove()
	}
	cmd, err := f.run(c, said, nil)
	if err != nil {
		return nil, startedScope{}, err
	}
	return cmd, startedScope{session: cmd.Process.Pid}, nil
}

// run starts the command with its rights, in the control group of the folder if there
// is one.
func (f processScope) run(c command, said io.Writer, folder *os.File) (*exec.Cmd, error) {
	return child.Start(f.rights, func(attr *syscall.SysProcAttr) *exec.Cmd {
		if folder != nil {
			attr.UseCgroupFD, attr.CgroupFD = true, int(folder.Fd())
		}
		return c.prepare(said)
	})
}

// makeGroup makes the control group, or returns nil where that is not possible. What is
// there already was left by a daemon that was killed: it is killed and removed, and
// not used again: the kernel kills at birth what is cloned into a group that was ever
// killed (seen on Linux 6.18).
func (f processScope) makeGroup() *os.File {
	if f.group == "" {
		return nil
	}
	if f.group.Killable() == nil {
		_ = f.group.Clear(context.Background(), removeLimit) // what stays makes the next step fail
	}
	if os.Mkdir(string(f.group), 0o755) != nil {
		return nil
	}
	folder, err := os.Open(string(f.group))
	if err == nil {
		err = f.group.Killable()
	}
	if err != nil {
		folder.Close()
		os.Remove(string(f.group)) // no cgroup2 file system, or one before Linux 5.14
		return nil
	}
	return folder
}

// kill ends all of it, at once. The command must not have been waited for.
func (f startedScope) kill() {
	if f.group != "" && f.group.Kill() == nil {
		return
	}
	const rounds = 10 // what forks while it is looked for is seen the next time
	for range rounds {
		if !killSession(f.session) {
			return
		}
	}
}

// close removes the control group when the command has been waited for.
func (f startedScope) close() {
	if f.group != "" {
		_ = f.group.Clear(context.Background(), removeLimit) // the next check finds what stays
	}
}

// killSession kills the living processes of a session and says if there were any.
func killSession(session int) (found bool) {
	folder, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer folder.Close()
	names, _ := folder.Readdirnames(-1)
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && livesIn(pid, session) {
			found = unix.Kill(pid, unix.SIGKILL) == nil || found
		}
	}
	return found
}

// livesIn says whether a process is of the session and not dead (proc_pid_stat(5)).
func livesIn(pid, session int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// 77 (name of any kind) S parent group session …
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return len(fields) > 3 && fields[0] != "Z" && fields[0] != "X" && fields[3] == strconv.Itoa(session)
}
