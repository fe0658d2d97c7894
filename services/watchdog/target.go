package watchdog

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"vipd/host/cgroup"
)

// root is the folder below which the watchdog may kill.
type root struct {
	path string
	fd   int
	only []string // of the folders in it; nil: all
}

func openRoot(path string, only []string) (*root, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, fmt.Errorf("root %q: want an absolute path without detours", path)
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root %s: %w", path, err)
	}
	if _, err := cgroup.Identify(fd); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("root %s: %w", path, err)
	}
	return &root{path, fd, only}, nil
}

func (r *root) close() { unix.Close(r.fd) }

// killTarget is a control group that can be killed by one write.
type killTarget struct{ fd int }

// find opens the group of a row: below the root, not through links, and the very
// directory that was meant when the row was written.
func (r *root) find(what row) (*killTarget, error) {
	below, ok := strings.CutPrefix(what.path, strings.TrimSuffix(r.path, "/")+"/")
	if !ok || below == "" {
		return nil, fmt.Errorf("not below %s", r.path)
	}
	if top, _, deep := strings.Cut(below, "/"); r.only != nil && !(deep && slices.Contains(r.only, top)) {
		return nil, fmt.Errorf("not below one of %s in %s", strings.Join(r.only, ", "), r.path)
	}
	fd, err := unix.Openat2(r.fd, below, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	id, err := cgroup.Identify(fd)
	if err != nil {
		return nil, err
	}
	if id != what.ID {
		return nil, fmt.Errorf("another group now: inode %d, not %d", id.Inode, what.Inode)
	}
	if err := refuseOwn(id); err != nil {
		return nil, err
	}
	kill, err := unix.Openat(fd, cgroup.KillFile, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cgroup.KillFile, err)
	}
	return &killTarget{kill}, nil
}

// refuseOwn refuses a group that this process is in.
func refuseOwn(group cgroup.ID) error {
	own, err := cgroup.Own()
	if err != nil {
		return err
	}
	for path := string(own); ; path = filepath.Dir(path) {
		var is unix.Stat_t
		if unix.Stat(path, &is) == nil && group == (cgroup.ID{Device: uint64(is.Dev), Inode: is.Ino}) {
			return errors.New("the keeper itself is in it")
		}
		if path == "/" {
			return nil
		}
	}
}

// kill kills all that is in the group; one that is gone is dead.
func (v *killTarget) kill() error {
	_, err := unix.Pwrite(v.fd, one, 0)
	if errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

var one = []byte("1")

func (v *killTarget) close() { unix.Close(v.fd) }

// temporary says whether an error of find may go away by itself.
func temporary(err error) bool {
	for _, number := range []unix.Errno{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN, unix.EINTR} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}
