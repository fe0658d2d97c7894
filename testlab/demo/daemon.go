package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"vipd/testlab/rig"
)

const (
	maxRestarts  = 20                     // by the supervisor, of one daemon
	restartPause = 100 * time.Millisecond // after a daemon that ended by itself at once
	stopLimit    = 5 * time.Second        // for a daemon to stop cleanly
)

// daemon is the vipd of one host under a supervisor, which starts it again whenever it
// ends unasked, as a service manager does.
type daemon struct {
	exe, name string
	log       tail

	mu       sync.Mutex
	host     *rig.Host
	wanted   bool
	process  *rig.Proc
	restarts int
}

func newDaemon(exe, name string) *daemon { return &daemon{exe: exe, name: name} }

// moveTo makes the daemon start in that host from now on.
func (d *daemon) moveTo(host *rig.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.host, d.process = host, nil
}

// start starts the daemon; one that runs goes on.
func (d *daemon) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = true
	if d.process != nil && d.process.Alive() {
		return nil
	}
	return d.launch()
}

// launch starts the program and watches it. d.mu is held.
func (d *daemon) launch() error {
	state := stateDir(d.name)
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	process, err := d.host.Start(rig.Process{
		Path: d.exe,
		Args: []string{
			"run", "--config", configFile, "--node", d.name, "--run-dir", runDir, "--state-dir", state,
		},
		Stdout: &d.log, Stderr: &d.log,
	})
	if err != nil {
		return err
	}
	d.process = process
	go d.supervise(process, time.Now())
	return nil
}

// supervise starts the daemon again when this process of it has ended unasked.
func (d *daemon) supervise(process *rig.Proc, started time.Time) {
	end := process.Wait(context.Background())
	if time.Since(started) < restartPause {
		time.Sleep(restartPause)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.wanted || d.process != process {
		return
	}
	fmt.Fprintf(&d.log, "ended: %v\n", end)
	if d.restarts++; d.restarts > maxRestarts {
		return
	}
	if err := d.launch(); err != nil {
		fmt.Fprintf(&d.log, "%v\n", err)
	}
}

// stop ends the daemon cleanly and for good.
func (d *daemon) stop(ctx context.Context) error {
	process := d.giveUp()
	if process == nil {
		return errors.New("it does not run")
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	if err := process.Wait(ctx); err != nil {
		return fmt.Errorf("the daemon did not stop cleanly: %w", err)
	}
	return nil
}

// crash kills the daemon; the supervisor starts it again.
func (d *daemon) crash() error {
	d.mu.Lock()
	process := d.process
	d.mu.Unlock()
	if process == nil {
		return errors.New("it does not run")
	}
	return process.Signal(syscall.SIGKILL)
}

// giveUp has the supervisor leave the daemon alone, and returns its process.
func (d *daemon) giveUp() *rig.Proc {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = false
	return d.process
}

// running says whether the daemon's process lives.
func (d *daemon) running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.process != nil && d.process.Alive()
}

// words is the last lines the daemon wrote, each with its name before it.
func (d *daemon) words() string {
	const most = 8
	lines := strings.Split(strings.TrimSpace(string(d.log.bytes())), "\n")
	var b strings.Builder
	for _, line := range lines[max(0, len(lines)-most):] {
		fmt.Fprintf(&b, "    %s: %s\n", d.name, line)
	}
	return b.String()
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailSize = 2048 // bytes

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.kept)
}
