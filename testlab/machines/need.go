package machines

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"

	hostgroup "vipd/host/cgroup"
	"vipd/testlab/machines/image"
	"vipd/testlab/rig"
)

// Means is what VIPD_TEST_REQUIRE calls the machines.
const Means = "machines"

// Require skips a test on a host that can't boot machines, giving the host's reason, or
// fails it when VIPD_TEST_REQUIRE names machines.
func Require(t rig.TB) {
	t.Helper()
	rig.Need(t, rig.Netns)
	if err := lacks(); err != nil {
		rig.Missing(t, Means, err)
	}
}

var errNotRoot = errors.New("whole machines need root: their processes have many users")

// Has says why tests that need machines would be skipped on this host, nil if they
// wouldn't, as far as can be told from outside of such a test.
func Has() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	for _, program := range []string{"systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w; apt-get install systemd-container", err)
		}
	}
	folder, err := image.Folder()
	if err != nil {
		return err
	}
	if _, err = image.Find(folder); err != nil {
		return err
	}
	return groupsCanBeMade()
}

// groupsCanBeMade says why no control group of machines can be made, nil if it can.
func groupsCanBeMade() error {
	root, err := hostgroup.Root()
	if err != nil {
		return err
	}
	tried, err := os.MkdirTemp(root, "vipd-machines-")
	if err != nil {
		return err
	}
	defer os.Remove(tried)
	return cgroup(tried).killable()
}

// lacks says why this process can't boot machines, nil if it can.
var lacks = sync.OnceValue(func() error {
	if err := Has(); err != nil {
		return err
	}
	if _, user := rig.Outside(); user {
		return errNotRoot
	}
	if home.refused != "" {
		return fmt.Errorf("no control group for them: %s", home.refused)
	}
	if err := home.cgroup.killable(); err != nil {
		return err
	}
	_, err := storage()
	return err
})

// disks is where machines keep their disks.
type disks struct {
	root  string // the files that all machines share
	space string // memory, seen by this process and its machines alone
}

// storageSize bounds what all machines of a process may write, in bytes.
const storageSize = "size=3g,mode=755"

// storage finds the machines' disk and mounts memory for what they write.
var storage = sync.OnceValues(func() (disks, error) {
	folder, err := image.Folder()
	if err != nil {
		return disks{}, err
	}
	root, err := image.Find(folder)
	if err != nil {
		return disks{}, err
	}
	space := image.Disks(folder)
	if err := unix.Mount("tmpfs", space, "tmpfs", unix.MS_NODEV, storageSize); err != nil {
		return disks{}, fmt.Errorf("mount memory on %s: %w", space, err)
	}
	return disks{root, space}, nil
})
