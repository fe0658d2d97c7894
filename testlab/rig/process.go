package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Process says what to run in a host. The program gets the environment of this process
// and what Env adds. Output goes nowhere unless asked for.
type Process struct {
	Path           string
	Args           []string // without the program's own name
	Env            []string // NAME=value, added
	Dir            string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Proc is a program running in a host. It dies with its host and with the lab.
type Proc struct {
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // of its end; read after ended
}

// Start starts a program in the host: in its network, its mounts and its host name.
func (h *Host) Start(what Process) (*Proc, error) {
	cmd := exec.Command(what.Path, what.Args...)
	cmd.Env = append(os.Environ(), what.Env...)
	cmd.Dir = what.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = what.Stdin, what.Stdout, what.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
	cmd.WaitDelay = time.Second // a grandchild may hold the output open; don't wait for it
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return nil, fmt.Errorf("start %s in %s: the host has no power", what.Path, h.name)
	}
	if err := h.space.on(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s in %s: %w", what.Path, h.name, err)
	}
	p := &Proc{cmd: cmd, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	h.procs = append(h.procs, p)
	return p, nil
}

// PID is the program's process id inside the laboratory.
func (p *Proc) PID() int { return p.cmd.Process.Pid }

// Signal sends the program a signal.
func (p *Proc) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the program at once and returns when it is gone.
func (p *Proc) Kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// Alive says whether the program still runs; one that is stopped does.
func (p *Proc) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Wait waits for the program's end and returns what os/exec says of it, or the
// context's error.
func (p *Proc) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// killAll kills whatever else lives in the host's network: children of its programs.
// It relies on /proc showing this laboratory only, and does nothing where it doesn't.
func (h *Host) killAll() {
	if !procIsOurs() {
		return
	}
	const rounds = 100 // a process may fork while we look
	for range rounds {
		if !h.killRound() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// killRound kills every process found in the host's network and says if there was one.
func (h *Host) killRound() (found bool) {
	self := os.Getpid()
	mine, err := h.space.files[len(h.space.files)-1].Stat()
	if err != nil {
		return false
	}
	networks, _ := filepath.Glob("/proc/[0-9]*/ns/net")
	for _, path := range networks {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		its, err := os.Stat(path)
		if err != nil || pid == self || !os.SameFile(mine, its) {
			continue
		}
		syscall.Kill(pid, syscall.SIGKILL)
		found = true
	}
	return found
}

// procIsOurs says whether the ids in /proc are those of our own pid namespace.
func procIsOurs() bool {
	first, err := os.Stat("/proc/1/ns/pid")
	if err != nil {
		return false
	}
	self, err := os.Stat("/proc/self/ns/pid")
	return err == nil && os.SameFile(first, self)
}
