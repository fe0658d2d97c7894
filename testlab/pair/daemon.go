package pair

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
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

// Daemon is the daemon of one host under a supervisor, which starts it again whenever it
// ends unasked, as a service manager does.
type Daemon struct {
	program Program
	name    string
	log     tail

	mu       sync.Mutex
	host     *rig.Host
	wanted   bool
	process  *rig.Proc
	restarts int
}

func newDaemon(program Program, name string) *Daemon {
	return &Daemon{program: program, name: name}
}

// moveTo makes the daemon start in that host from now on.
func (d *Daemon) moveTo(host *rig.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.host, d.process = host, nil
}

// Start starts the daemon; one that runs goes on.
func (d *Daemon) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = true
	if d.process != nil && d.process.Alive() {
		return nil
	}
	return d.launch()
}

// launch starts the program and watches it. d.mu is held.
func (d *Daemon) launch() error {
	what, err := d.program(d.name)
	if err != nil {
		return err
	}
	what.Stdout, what.Stderr = &d.log, &d.log
	process, err := d.host.Start(what)
	if err != nil {
		return err
	}
	d.process = process
	go d.supervise(process, time.Now())
	return nil
}

// supervise starts the daemon again when this process of it has ended unasked.
func (d *Daemon) supervise(process *rig.Proc, started time.Time) {
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

// Stop ends the daemon cleanly and for good.
func (d *Daemon) Stop(ctx context.Context) error {
	process := d.GiveUp()
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

// Signal sends the daemon a signal, and every process that it started.
func (d *Daemon) Signal(signal syscall.Signal) error {
	d.mu.Lock()
	process := d.process
	d.mu.Unlock()
	if process == nil {
		return errors.New("it does not run")
	}
	started := children(process.PID())
	if err := process.Signal(signal); err != nil {
		return err
	}
	for _, child := range started {
		syscall.Kill(child, signal) // one that has ended meanwhile needs none
	}
	return nil
}

// Reload has the daemon read its configuration again.
func (d *Daemon) Reload() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.process == nil {
		return errors.New("it does not run")
	}
	return d.process.Signal(syscall.SIGHUP)
}

// Processes are the ids, in the lab, of the daemon and what it started.
func (d *Daemon) Processes() []int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.process == nil || !d.process.Alive() {
		return nil
	}
	return append([]int{d.process.PID()}, children(d.process.PID())...)
}

// children are the processes that a process started, on any of its threads.
func children(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // of a thread that has ended: empty
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// GiveUp has the supervisor leave the daemon alone, and returns its process.
func (d *Daemon) GiveUp() *rig.Proc {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = false
	return d.process
}

// Running says whether the daemon's process lives.
func (d *Daemon) Running() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.process != nil && d.process.Alive()
}

// words is the last lines the daemon wrote, each with its name before it.
func (d *Daemon) words() string {
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
