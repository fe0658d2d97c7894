package watchdog

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	children "vipd/host/child"
)

// Process is the watchdog that runs.
type Process struct {
	PID     int
	Started bool // by this call; else it was found
	Apart   bool // in another control group than this process, so that it is not frozen or killed with it
}

// Limits of waiting for a watchdog.
const (
	startLimit  = 5 * time.Second
	awaitEvery  = 2 * time.Millisecond
	stalledTime = 2 * time.Second // without a look: several have been left out
)

// Ensure makes sure that a watchdog guards the groups of the run directory: one that
// runs is taken over, else this program is started as one, detached, so that it
// outlives this process. It returns when the watchdog has looked at the page. Call it
// again now and then: the error says when the watchdog hangs or can't be started.
func Ensure(ctx context.Context, o Options) (Process, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	p, err := ensure(ctx, o)
	if err != nil {
		return p, fmt.Errorf("make sure of the keeper: %w", err)
	}
	return p, nil
}

func ensure(ctx context.Context, o Options) (p Process, err error) {
	s, err := openPageFile(o.RunDir)
	if err != nil {
		return p, err
	}
	defer s.Close()
	running, err := locked(o.RunDir)
	if err != nil {
		return p, err
	}
	w := wait{page: s, runDir: o.RunDir, since: boot.Now().Add(-stalledTime)}
	if !running {
		w.since = boot.Now()
		if w.child, err = start(o); err != nil {
			return p, err
		}
	}
	if p.PID, err = w.untilScan(ctx); err != nil {
		return p, err
	}
	p.Started = w.child != nil
	p.Apart = outsideOwnCgroup(p.PID)
	return p, nil
}

// child is a watchdog that this process started.
type child struct {
	pid   int
	kill  func() error
	ended chan struct{}
	err   error // of its end; read after ended
}

// start starts this program as a watchdog, in a session of its own: no signal from
// the terminal, and no end of this process, reaches it.
func start(o Options) (*child, error) {
	cgroup := o.Cgroup
	if cgroup == "" {
		var err error
		if cgroup, err = defaultCgroup(); err != nil {
			return nil, fmt.Errorf("find a control group for it: %w", err)
		}
	}
	cmd := exec.Command("/proc/self/exe", o.Args...)
	cmd.Env = append(os.Environ(), cgroupVariable+"="+cgroup)
	cmd.Args[0] = os.Args[0]
	cmd.Dir = "/"
	if o.Output != nil {
		cmd.Stdout, cmd.Stderr = o.Output, o.Output
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := children.StartAsIs(cmd); err != nil {
		return nil, fmt.Errorf("start it: %w", err)
	}
	c := &child{pid: cmd.Process.Pid, kill: cmd.Process.Kill, ended: make(chan struct{})}
	go func() {
		c.err = children.Wait(cmd)
		close(c.ended)
	}()
	return c, nil
}

// wait is a wait for a watchdog's look at the page.
type wait struct {
	page   *pageFile
	runDir string
	since  clock.Instant
	child  *child // nil: another process started it
}

// untilScan returns the process id of the watchdog that has looked.
func (w *wait) untilScan(ctx context.Context) (int, error) {
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for {
		pid := int(w.page.Word(atKeeper).Load())
		looked := clock.Instant(w.page.Word(atLooked).Load()) >= w.since
		if looked && (w.child == nil || pid == w.child.pid) {
			return pid, nil
		}
		var ended chan struct{}
		if w.child != nil {
			ended = w.child.ended
		}
		select {
		case <-tick.C:
		case <-ended:
			if running, err := locked(w.runDir); err != nil || !running {
				return 0, fmt.Errorf("it ended: %v", w.child.err)
			}
			w.child = nil // another was quicker
		case <-ctx.Done():
			if w.child == nil {
				return 0, fmt.Errorf("process %d has the lock but does not look: %w", pid, ctx.Err())
			}
			w.child.kill() // it may have ended by now
			return 0, fmt.Errorf("process %d does not look: %w", w.child.pid, ctx.Err())
		}
	}
}
