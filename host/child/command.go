package child

import (
	"os/exec"
	"strings"
	"syscall"
)

// Path is the PATH of hooks and checks, which get no variable of the daemon's own
// environment.
const Path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"

// Start starts a command with these rights and without the daemon's. build makes the
// command with the attributes given and its own additions to them; Start calls it again
// where the host refuses the first attempt. The caller waits with Wait, or calls Done.
func Start(r Rights, build func(attr *syscall.SysProcAttr) *exec.Cmd) (cmd *exec.Cmd, err error) {
	err = r.fork(func(attr *syscall.SysProcAttr) (int, error) {
		cmd = build(attr)
		cmd.SysProcAttr = attr
		return begin(cmd)
	})
	return cmd, err
}

// StartAsIs starts a command with the rights of this process. The caller waits with Wait.
func StartAsIs(cmd *exec.Cmd) error {
	_, err := registered(func() (int, error) { return begin(cmd) })
	return err
}

func begin(cmd *exec.Cmd) (pid int, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	return cmd.Process.Pid, nil
}

// Wait waits for the end of a command and its output; the error is that of exec.Cmd.Wait.
func Wait(cmd *exec.Cmd) error {
	defer Done(cmd.Process.Pid)
	return cmd.Wait()
}

// Tail keeps the last octets that a command writes to it, for a log or a status.
type Tail struct{ kept []byte }

// tailSize is the most that a Tail keeps, in octets.
const tailSize = 512

// Write implements io.Writer and never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// String is the text without the white space around it.
func (t *Tail) String() string { return strings.TrimSpace(string(t.kept)) }

// LastLine is the last line that is not empty.
func (t *Tail) LastLine() string {
	text := t.String()
	return text[strings.LastIndexByte(text, '\n')+1:]
}
