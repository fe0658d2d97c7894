package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"vipd/services/child"
	"vipd/vipd/config"
)

// hooksWaiting is how many lists of commands of one token may wait; a list that
// finds no room is reported and left out.
const hooksWaiting = 8

// hookRun is one list of commands to run, in order, with what they are told.
type hookRun struct {
	hooks []config.Hook
	limit time.Duration
	env   []string
}

// hookEnvironment is what every command gets, and nothing else but PATH.
func hookEnvironment(node, token, role string, epoch uint64) []string {
	return []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"VIPD_NODE=" + node, "VIPD_TOKEN=" + token, "VIPD_ROLE=" + role, fmt.Sprintf("VIPD_EPOCH=%d", epoch),
	}
}

// runHooks runs one token's lists one after another until its worker has ended,
// and then those that wait: a node that stops still says that it is standby.
func runHooks(runs <-chan hookRun, report func(string)) {
	for r := range runs {
		r.run(report)
	}
}

// run runs the commands in order. One that fails or runs out of time is
// reported; the next one runs all the same.
func (r hookRun) run(report func(string)) {
	for _, h := range r.hooks {
		if err := runHook(h, r); err != nil {
			report(fmt.Sprintf("hook %s: %v", strings.Join(h.Argv, " "), err))
		}
	}
}

// runHook runs one command without a shell, killed with all of its process
// group when its time is over.
func runHook(h config.Hook, r hookRun) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.limit)
	defer cancel()
	var said tail
	cmd, err := startHook(ctx, h, r, &said)
	if err == nil {
		err = cmd.Wait()
		child.Done(cmd.Process.Pid)
	}
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // done; what it left running holds its output open
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("killed: not done within %v", r.limit)
	case len(said.kept) > 0:
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.kept))
	}
	return err
}

// tail keeps the end of what a command says.
type tail struct{ kept []byte }

const tailSize = 512

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// startHook starts one command with its rights and nothing of the daemon's. The whole
// process group is killed when its time is over.
func startHook(ctx context.Context, h config.Hook, r hookRun, said *tail) (cmd *exec.Cmd, err error) {
	err = child.Start(h.Rights, func(attr *syscall.SysProcAttr) (int, error) {
		cmd = exec.CommandContext(ctx, h.Argv[0], h.Argv[1:]...)
		cmd.Env, cmd.Dir = r.env, "/"
		cmd.Stdout, cmd.Stderr = said, said
		cmd.SysProcAttr, cmd.WaitDelay = attr, time.Second
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		return cmd.Process.Pid, nil
	})
	return cmd, err
}
