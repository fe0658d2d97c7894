package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// ownRoot gives this process a root directory that belongs to its user. In a user
// namespace the host's root is nobody that is known there, so "/" has an owner that a
// check rightly refuses: whoever that is could put another program in the way. What the
// host has in its root is there all the same, with the owners that it has.
var ownRoot = sync.OnceValue(func() error {
	if _, apart := rig.Outside(); !apart {
		return nil // root is known, and owns it
	}
	const root = rig.Disk + "/root"
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("mount a root directory: %w", err)
	}
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := mirror(filepath.Join("/", e.Name()), filepath.Join(root, e.Name()), e); err != nil {
			return fmt.Errorf("%s in a root directory of our own: %w", e.Name(), err)
		}
	}
	here, err := os.Getwd()
	if err == nil {
		err = unix.Chroot(root)
	}
	if err == nil {
		err = os.Chdir(here)
	}
	return err
})

// mirror makes an entry of the root directory appear in another one.
func mirror(from, to string, e os.DirEntry) error {
	switch {
	case e.Type() == os.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	case e.IsDir():
		if err := os.Mkdir(to, 0o755); err != nil {
			return err
		}
		return unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")
	}
	return nil // no check needs a file there
}

// In a user namespace the owner of the host's own files can't be known, and is not
// taken for root.
func TestOwnerWhoIsNotKnown(t *testing.T) {
	rig.Need(t, rig.Netns)
	if _, apart := rig.Outside(); !apart {
		t.Skip("every user is known here")
	}
	safeFolder(t)
	const ours = "/usr" // the host's, in a root directory of our own
	if err := checkStep("/"); err != nil {
		t.Errorf("our own root directory: %v", err)
	}
	if err := checkStep(ours); err == nil {
		t.Errorf("%s, of a user that is not known, was not refused", ours)
	}
}
