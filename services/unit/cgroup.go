package unit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vipd/host/cgroup"
)

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
	if _, err := os.Stat(filepath.Join(folder, cgroup.KillFile)); err != nil {
		return "", fmt.Errorf("no control group of its own: %w; needs cgroup2 of Linux 5.14 or later", err)
	}
	return folder, nil
}

// cgroupRoot is where cgroup2 is mounted; the error says what to do where it is not.
func cgroupRoot() (string, error) {
	root, err := cgroup.Root()
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
	root, err := cgroup.Root()
	if err == nil {
		root = filepath.Join(root, checksHome)
		err = os.MkdirAll(root, 0o755)
	}
	if err != nil {
		return ""
	}
	return filepath.Join(root, fmt.Sprintf("%s.%d", group, number))
}

// clearGroup kills the processes of the group, waits for their end and removes the group.
// The error names the processes that are left.
func clearGroup(ctx context.Context, g cgroup.Group) error {
	err := g.Clear(ctx, killLimit)
	if errors.Is(err, cgroup.ErrPopulated) {
		return fmt.Errorf("still there %v after SIGKILL: %s", killLimit, survivors(g))
	}
	return err
}

// survivorsNamed bounds how many processes an error names.
const survivorsNamed = 8

// survivors names the processes that are left in the group.
func survivors(g cgroup.Group) string {
	var names []string
	for _, pid := range g.Processes() {
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
