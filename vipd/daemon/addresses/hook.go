package addresses

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"vipd/host/child"
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
		child.Path,
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
	var said child.Tail
	cmd, err := startHook(ctx, h, r, &said)
	if err == nil {
		err = child.Wait(cmd)
	}
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // done; what it left running holds its output open
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("killed: not done within %v", r.limit)
	case said.String() != "":
		return fmt.Errorf("%w: %s", err, said.String())
	}
	return err
}

// startHook starts one command with its rights and nothing of the daemon's. The whole
// process group is killed when its time is over.
func startHook(ctx context.Context, h config.Hook, r hookRun, said *child.Tail) (*exec.Cmd, error) {
	return child.Start(h.Rights, func(*syscall.SysProcAttr) *exec.Cmd {
		cmd := exec.CommandContext(ctx, h.Argv[0], h.Argv[1:]...)
		cmd.Env, cmd.Dir = r.env, "/"
		cmd.Stdout, cmd.Stderr = said, said
		cmd.WaitDelay = time.Second
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		return cmd
	})
}
