package pair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"vipd/services/unit"
	"vipd/testlab/rig"
	"vipd/testlab/standin"
	"vipd/vipd/control"
)

// Cgroups is where each host has its control groups.
const Cgroups = "/sys/fs/cgroup"

// Uncontained is why the node's services can't have control groups, and what to do; nil
// if they can.
func (n *Node) Uncontained() error {
	_, err := unit.GroupFolder(n.Host().Path(Cgroups), "data")
	if err == nil {
		return nil
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = fmt.Errorf("no control groups: %s %s: %w", path.Op, filepath.Base(path.Path), path.Err) // the folder is the laboratory's
	}
	return fmt.Errorf("%w; run it as root on a host with cgroup2 (Linux 5.14 or later)", err)
}

// InstallStandIns puts the stand-ins on the disk of the hosts, as names of the program at
// exe; there they are already after the first time.
func InstallStandIns(exe string) error {
	if path, err := os.Readlink(exe); err == nil {
		exe = path
	}
	if err := standin.Install(exe, rig.Disk); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Runs says whether the node's daemon runs the group.
func (n *Node) Runs(ctx context.Context, group string) bool {
	status, err := n.Control().Status(ctx)
	if err != nil {
		return false
	}
	for _, g := range status.Groups {
		if g.Name == group {
			return g.State == control.GroupRunning
		}
	}
	return false
}

// Processes are those of one group of the node's, as the kernel has them.
func (n *Node) Processes(group string) (pids []int) {
	files, _ := filepath.Glob(n.Host().Path(Cgroups + "/vipd/" + group + "/*/cgroup.procs"))
	for _, file := range files {
		text, _ := os.ReadFile(file) // empty when it just ended
		for _, word := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
