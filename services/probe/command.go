package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vipd/host/cgroup"
	"vipd/host/child"
)

// command is a program that must end with exit status 0.
type command struct{ argv []string }

func parseCommand(rest string) (kind, error) {
	argv := strings.Fields(rest)
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		return nil, errors.New("want exec:/path and arguments")
	}
	return command{argv}, nil
}

func (c command) validate() error { return checkFileOwners(c.argv[0]) }

func (c command) open(o Options) checker {
	return &runner{command: c, scope: processScope{cgroup.Group(o.Cgroup), o.Rights}}
}

// runner runs the command.
type runner struct {
	command
	scope processScope
	left  <-chan struct{} // closed when the command before is gone; nil before the first
}

// Limits of the end of a command.
const (
	// killLimit is how long it may take to be gone when it is killed. One that hangs
	// in the kernel stays longer, and no other is started until it is gone.
	killLimit = time.Second
	// outputLimit is how long what escaped may hold the output open.
	outputLimit = killLimit / 4
	// removeLimit is how long its control group may take to be empty.
	removeLimit = killLimit / 4
)

func (r *runner) check(ctx context.Context) (string, error) {
	if !closed(r.left) {
		return "", errors.New("the command of an earlier check can't be killed")
	}
	if err := r.validate(); err != nil {
		return "", fmt.Errorf("refused: %w", err)
	}
	var said child.Tail
	cmd, held, err := r.scope.start(r.command, &said)
	if err != nil {
		return "", err
	}
	select {
	case <-ended(cmd.Process.Pid):
	case <-ctx.Done():
	}
	held.kill() // it is not waited for yet, so that its ids are still its own
	gone := make(chan struct{})
	r.left = gone
	go func() {
		defer close(gone)
		child.Wait(cmd) // the state tells all; an error of the output adds nothing
		held.close()
	}()
	select {
	case <-gone:
		return outcome(ctx, cmd, said.LastLine())
	case <-time.After(killLimit):
		return "", errors.New("the command can't be killed")
	}
}

// prepare is the command to start, with nothing of the daemon's environment.
func (c command) prepare(said io.Writer) *exec.Cmd {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env = []string{child.Path}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = outputLimit
	return cmd
}

// outcome is what the end of a command means.
func outcome(ctx context.Context, cmd *exec.Cmd, said string) (string, error) {
	state := cmd.ProcessState
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case state.Success():
		return "exit status 0", nil
	case said != "":
		return "", fmt.Errorf("%v: %s", state, said)
	}
	return "", errors.New(state.String())
}

// ended is closed when the process has ended; it is still to be waited for then.
func ended(pid int) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == syscall.EINTR {
		}
	}()
	return c
}

func closed(c <-chan struct{}) bool {
	if c == nil {
		return true
	}
	select {
	case <-c:
		return true
	default:
		return false
	}
}
