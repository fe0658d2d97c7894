// Package cgroup handles control groups of version 2 by their folders (cgroups(7)).
//
//	mountinfo ─► Root ─► Group ─┬─► Kill       cgroup.kill, Linux 5.14
//	/proc/PID ─► Of ───────────►├─► WaitEmpty  cgroup.events, by poll
//	                            ├─► Remove     the groups below it first
//	                            └─► ID         device and inode
//
// The package decides for no process in which group it runs; its callers name the folders.
// A Group is a path: a group that is made again by the same path is another one, which
// its ID tells. Each method treats a group that is gone as one without processes.
package cgroup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Group is the absolute path of a control group's folder.
type Group string

// KillFile is the file of a group in which a 1 kills every process in the group and
// below it (Linux 5.14).
const KillFile = "cgroup.kill"

// ErrPopulated says that processes are left in a group after the time limit.
var ErrPopulated = errors.New("processes are left in the control group")

// pollLimit bounds one wait for the kernel, and so how late a wait sees its context end.
const pollLimit = 50 * time.Millisecond

// Killable returns why Kill cannot work: no such folder, no cgroup2 file system, a kernel
// before Linux 5.14, or no right.
func (g Group) Killable() error {
	return unix.Access(filepath.Join(string(g), KillFile), unix.W_OK)
}

// Clear kills the processes in the group and below, waits until the group is empty and
// removes it. The error is ErrPopulated after the limit, or the cause of the context.
func (g Group) Clear(ctx context.Context, limit time.Duration) error {
	if err := g.Kill(); err != nil {
		return err
	}
	empty, err := g.WaitEmpty(ctx, limit)
	switch {
	case err != nil:
		return err
	case !empty:
		return fmt.Errorf("clear %s: %w after %v", g, ErrPopulated, limit)
	}
	return g.Remove()
}

// Kill kills the processes in the group and below. It does not wait for their end.
func (g Group) Kill() error {
	file, err := os.OpenFile(filepath.Join(string(g), KillFile), os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString("1")
		file.Close()
	}
	if err != nil && !gone(err) {
		return fmt.Errorf("kill %s: %w", g, err)
	}
	return nil
}

// WaitEmpty waits until the group is empty, at most for the limit, and reports whether it
// is. The error is the context's, or that of a read.
func (g Group) WaitEmpty(ctx context.Context, limit time.Duration) (bool, error) {
	events, err := os.Open(g.events())
	if gone(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer events.Close()
	text := make([]byte, 256)
	for end := time.Now().Add(limit); ; {
		n, err := events.ReadAt(text, 0)
		if n == 0 && gone(err) || bytes.Contains(text[:n], []byte("populated 0")) {
			return true, nil
		}
		rest := min(time.Until(end), pollLimit)
		if rest <= 0 || ctx.Err() != nil {
			return false, ctx.Err()
		}
		change := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(change, max(1, int(rest.Milliseconds()))); err != nil && err != unix.EINTR {
			return false, fmt.Errorf("wait for %s: %w", g, err)
		}
	}
}

// Populated reports whether a process lives in the group or below.
func (g Group) Populated() (bool, error) {
	text, err := os.ReadFile(g.events())
	if gone(err) {
		return false, nil
	}
	return bytes.Contains(text, []byte("populated 1")), err
}

func (g Group) events() string { return filepath.Join(string(g), "cgroup.events") }

// Remove removes the group and the groups below it. The kernel refuses a group with
// processes.
func (g Group) Remove() error {
	for _, folder := range slices.Backward(g.folders()) {
		if err := os.Remove(folder); err != nil && !gone(err) {
			return fmt.Errorf("remove control group: %w", err)
		}
	}
	return nil
}

// Processes lists the ids of the processes in the group and below.
func (g Group) Processes() (pids []int) {
	for _, folder := range g.folders() {
		text, _ := os.ReadFile(filepath.Join(folder, processesFile)) // a group that is gone has none
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

const processesFile = "cgroup.procs"

// Enter moves a process into the group, and makes the group where it is missing. The
// kernel kills a process that is cloned into a group that was ever killed (Linux 6.18),
// but not one that moves in.
func (g Group) Enter(pid int) error {
	if err := os.Mkdir(string(g), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.WriteFile(filepath.Join(string(g), processesFile), []byte(strconv.Itoa(pid)), 0)
}

// folders lists the group and the groups below, each before those in it.
func (g Group) folders() (list []string) {
	filepath.WalkDir(string(g), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			list = append(list, path)
		}
		return nil // a folder may vanish during the walk
	})
	return list
}

// gone reports whether an error means that the group is no longer there.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
