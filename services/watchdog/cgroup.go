package watchdog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"vipd/host/cgroup"
)

// cgroupVariable tells a watchdog that Ensure starts which control group to enter.
const cgroupVariable = "VIPD_KEEPER_CGROUP"

// enterChosenCgroup moves this process into the control group that Ensure chose, if Ensure
// started it. It comes before the first look, so that no group is guarded that the
// watchdog is about to leave or enter.
func enterChosenCgroup() error {
	path := os.Getenv(cgroupVariable)
	os.Unsetenv(cgroupVariable)
	if path == "" {
		return nil
	}
	return cgroup.Group(path).Enter(os.Getpid())
}

// defaultCgroup is the path of vipd-keeper beside the control group of this process, or
// below it when that is the topmost.
func defaultCgroup() (string, error) {
	own, err := cgroup.Own()
	if err != nil {
		return "", err
	}
	mount, err := cgroup.Root()
	if err != nil {
		return "", err
	}
	above := string(own)
	if above != mount {
		above = filepath.Dir(above)
	}
	return filepath.Join(above, "vipd-keeper"), nil
}

// outsideOwnCgroup says whether a process is in a control group that is neither that of this
// process nor below it; all are below the topmost, which can't be killed or frozen.
func outsideOwnCgroup(pid int) bool {
	own, errOwn := cgroup.Own()
	its, errIts := cgroup.Of(pid)
	mount, errMount := cgroup.Root()
	if errors.Join(errOwn, errIts, errMount) != nil || its == own {
		return false
	}
	return string(own) == mount || !strings.HasPrefix(string(its), string(own)+"/")
}
