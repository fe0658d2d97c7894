package unit

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

	"vipd/lease"
)

// cgroup is the folder of a control group, version 2.
type cgroup string

// home is the folder below the root of cgroup2 that all groups of processes are in.
// It is outside of the daemon's own control group, so that services outlive it.
const home = "vipd"

// GroupFolder makes, where it is missing, the control group that all processes
// of a service group that systemd does not run are below, and returns its path: what a lease of the
// group's traffic is for. An empty root is looked up. The error says why this
// host has no room for it, and what to do.
func GroupFolder(root, group string) (string, error) {
	if root == "" {
		found, err := cgroupRoot()
		if err != nil {
			return "", err
		}
		root = found
	}
	folder := filepath.Join(root, home, group)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("no control group of its own: %w; run as root with cgroup2 writable, or let systemd run the service", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "cgroup.kill")); err != nil {
		return "", fmt.Errorf("no control group of its own: %w; needs cgroup2 of Linux 5.14 or later", err)
	}
	return folder, nil
}

// cgroupRoot is where cgroup2 is mounted; the error says what to do where it is not.
func cgroupRoot() (string, error) {
	root, err := lease.CgroupRoot()
	if err != nil {
		return "", fmt.Errorf("%w; mount one (mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified) or let systemd run the service", err)
	}
	return root, nil
}

// checksHome is the folder that control groups of checks' commands are in: they are no
// part of what runs as the group.
const checksHome = "vipd-checks"

// CheckFolder returns where the commands of one check of a group may have a control
// group of their own, which is not made yet; nothing where the host has no room for it.
func CheckFolder(group string, number int) string {
	root, err := lease.CgroupRoot()
	if err == nil {
		root = filepath.Join(root, checksHome)
		err = os.MkdirAll(root, 0o755)
	}
	if err != nil {
		return ""
	}
	return filepath.Join(root, fmt.Sprintf("%s.%d", group, number))
}

// populated says whether a process lives in the group or below it. A group that
// is not there has none.
func (c cgroup) populated() (bool, error) {
	text, err := os.ReadFile(filepath.Join(string(c), "cgroup.events"))
	if gone(err) {
		return false, nil
	}
	return bytes.Contains(text, []byte("populated 1")), err
}

// clear kills whatever is in the group, waits until it is gone and removes the
// group. The error names what is left.
func (c cgroup) clear(ctx context.Context) error {
	err := os.WriteFile(filepath.Join(string(c), "cgroup.kill"), []byte("1"), 0)
	if err != nil && !gone(err) {
		return fmt.Errorf("kill %s: %w", c, err)
	}
	empty, err := c.emptied(ctx, killLimit)
	if err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("still there %v after SIGKILL: %s", killLimit, c.survivors())
	}
	return c.remove()
}

// emptied waits until no process is left, for at most the limit, and says
// whether that is so. The kernel wakes it.
func (c cgroup) emptied(ctx context.Context, limit time.Duration) (bool, error) {
	events, err := os.Open(filepath.Join(string(c), "cgroup.events"))
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
		rest := min(time.Until(end), lookAround)
		if rest <= 0 || ctx.Err() != nil {
			return false, ctx.Err()
		}
		change := []unix.PollFd{{Fd: int32(events.Fd()), Events: unix.POLLPRI}}
		if _, err := unix.Poll(change, max(1, int(rest.Milliseconds()))); err != nil && err != unix.EINTR {
			return false, fmt.Errorf("wait for %s: %w", c, err)
		}
	}
}

// lookAround is how long a wait for the kernel's word may overlook its context.
const lookAround = 50 * time.Millisecond

// remove removes the group with those that its processes made below.
func (c cgroup) remove() error {
	folders := c.folders()
	slices.Reverse(folders)
	for _, folder := range folders {
		if err := os.Remove(folder); err != nil && !gone(err) {
			return fmt.Errorf("remove control group: %w", err)
		}
	}
	return nil
}

// folders lists the group and those below it, each before what is in it.
func (c cgroup) folders() (list []string) {
	filepath.WalkDir(string(c), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			list = append(list, path)
		}
		return nil // it may vanish while we look
	})
	return list
}

// processes lists who lives in the group or below.
func (c cgroup) processes() (pids []int) {
	for _, folder := range c.folders() {
		text, _ := os.ReadFile(filepath.Join(folder, "cgroup.procs")) // gone: nobody
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// survivorsNamed bounds how many processes an error names.
const survivorsNamed = 8

// survivors names who is left.
func (c cgroup) survivors() string {
	var names []string
	for _, pid := range c.processes() {
		names = append(names, survivor(pid, commandOf(pid)))
	}
	return listed(names)
}

func survivor(pid int, command string) string { return fmt.Sprintf("pid %d (%s)", pid, command) }

// listed joins names, the first few of them.
func listed(names []string) string {
	if over := len(names) - survivorsNamed; over > 0 {
		names = append(names[:survivorsNamed:survivorsNamed], fmt.Sprintf("%d more", over))
	}
	return strings.Join(names, ", ")
}

// commandOf is a process's command line, or the name that the kernel has for it.
func commandOf(pid int) string {
	const most = 80
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	line := strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
	if line == "" {
		text, _ = os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		line = strings.TrimSpace(string(text))
	}
	return printable(line, most)
}

// gone says whether an error means that the control group is no longer there.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
