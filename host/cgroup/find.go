package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Root finds where the cgroup2 file system is mounted.
func Root() (string, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// 30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(before)
		var system unix.Statfs_t // another mount may lie over it
		if len(fields) >= 5 && strings.HasPrefix(after, "cgroup2 ") &&
			unix.Statfs(fields[4], &system) == nil && system.Type == unix.CGROUP2_SUPER_MAGIC {
			return fields[4], nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", errors.New("no cgroup2 file system is mounted")
}

// Own returns the control group of this process.
func Own() (Group, error) { return find("self") }

// Of returns the control group of a process.
func Of(pid int) (Group, error) { return find(strconv.Itoa(pid)) }

func find(process string) (Group, error) {
	mount, err := Root()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile("/proc/" + process + "/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return Group(filepath.Join(mount, strings.TrimSuffix(path, "\n"))), nil
		}
	}
	return "", fmt.Errorf("process %s is in no cgroup2 group", process)
}

// ID tells a control group from another one that is made later by the same path.
type ID struct{ Device, Inode uint64 }

// Identify returns the ID of an open folder; the error says if the folder is none of a
// cgroup2 file system.
func Identify(fd int) (ID, error) {
	var system unix.Statfs_t
	var file unix.Stat_t
	if err := errors.Join(unix.Fstatfs(fd, &system), unix.Fstat(fd, &file)); err != nil {
		return ID{}, err
	}
	if system.Type != unix.CGROUP2_SUPER_MAGIC {
		return ID{}, errors.New("not in a cgroup2 file system")
	}
	return ID{uint64(file.Dev), file.Ino}, nil
}
