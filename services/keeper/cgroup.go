package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"vipd/lease"
)

// cgroupVariable tells a keeper that Ensure starts which control group to enter.
const cgroupVariable = "VIPD_KEEPER_CGROUP"

// settle moves this process into the control group that Ensure chose, if Ensure
// started it. It comes before the first look, so that no group is guarded that the
// keeper is about to leave or enter.
func settle() error {
	path := os.Getenv(cgroupVariable)
	os.Unsetenv(cgroupVariable)
	if path == "" {
		return nil
	}
	return enter(os.Getpid(), path)
}

// enter moves a process into a control group, and makes the group if need be. It is
// moved, not born there: the kernel kills what is cloned into a group that was ever
// killed (seen on Linux 6.18).
func enter(pid int, path string) error {
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.WriteFile(filepath.Join(path, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// beside is the path of vipd-keeper beside the control group of this process, or
// below it when that is the topmost.
func beside() (string, error) {
	own, err := ownCgroup()
	if err != nil {
		return "", err
	}
	mount, err := lease.CgroupRoot()
	if err != nil {
		return "", err
	}
	if own != mount {
		own = filepath.Dir(own)
	}
	return filepath.Join(own, "vipd-keeper"), nil
}

// apart says whether a process is in a control group that is neither that of this
// process nor below it; all are below the topmost, which can't be killed or frozen.
func apart(pid int) bool {
	own, errOwn := ownCgroup()
	its, errIts := cgroupOf(strconv.Itoa(pid))
	mount, errMount := lease.CgroupRoot()
	if errors.Join(errOwn, errIts, errMount) != nil || its == own {
		return false
	}
	return own == mount || !strings.HasPrefix(its, own+"/")
}

// ownCgroup is the folder of this process's control group.
func ownCgroup() (string, error) { return cgroupOf("self") }

// cgroupOf is the folder of a process's control group (cgroups(7)).
func cgroupOf(process string) (string, error) {
	mount, err := lease.CgroupRoot()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile("/proc/" + process + "/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return filepath.Join(mount, strings.TrimSuffix(path, "\n")), nil
		}
	}
	return "", fmt.Errorf("process %s is in no cgroup2 group", process)
}
