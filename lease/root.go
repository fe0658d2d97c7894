package lease

import (
	"bufio"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// CgroupRoot finds where the cgroup2 file system is mounted.
func CgroupRoot() (string, error) {
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
