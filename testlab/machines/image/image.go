package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// folderVariable names the folder where images are kept.
const folderVariable = "VIPD_MACHINES_ROOT"

// Command makes what Find did not find.
const Command = "go run ./testlab/machines/root"

// Folder is where images are kept: $VIPD_MACHINES_ROOT, or a folder of the user's cache.
func Folder() (string, error) {
	if folder := os.Getenv(folderVariable); folder != "" {
		return filepath.Abs(folder)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for the machines' disk: %w; set %s", err, folderVariable)
	}
	return filepath.Join(cache, "vipd", "machines"), nil
}

// Disks is the empty directory in the folder on which tests mount.
func Disks(folder string) string { return filepath.Join(folder, "disks") }

// Find returns the directory with the files of the disk, or an error that says how to
// make it.
func Find(folder string) (string, error) {
	root := filepath.Join(folder, name())
	if _, err := os.Stat(root); err != nil {
		return "", fmt.Errorf("the machines' disk is not made: as root, %s (%w)", Command, err)
	}
	return root, nil
}

// Make makes the disk in the folder, or only what is not there yet of it, and returns
// its directory. It tells of its progress, for it may take minutes. Two that make the
// same take turns.
func Make(ctx context.Context, folder, mirror string, progress io.Writer) (string, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("a disk with its owners and rights is made by root; use sudo -E")
	}
	if err := os.MkdirAll(Disks(folder), 0o755); err != nil {
		return "", err
	}
	turn, err := lock(folder)
	if err != nil {
		return "", err
	}
	defer turn.Close()
	root := filepath.Join(folder, name())
	archive := root + ".tar"
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if _, err := os.Stat(archive); errors.Is(err, fs.ErrNotExist) {
		if err := build(ctx, archive, mirror, progress); err != nil {
			return "", err
		}
	}
	return root, unpack(ctx, archive, root, progress)
}

// lock waits for the folder's turn.
func lock(folder string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return file, nil
}

// build has mmdebstrap write the archive.
func build(ctx context.Context, archive, mirror string, progress io.Writer) error {
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return fmt.Errorf("%w; apt-get install mmdebstrap systemd-container", err)
	}
	fmt.Fprintf(progress, "%s: installing %d packages and what they need from %s\n", archive, len(packages), mirror)
	fresh := filepath.Join(filepath.Dir(archive), "new.tar") // mmdebstrap goes by the name's end
	defer os.Remove(fresh)
	if err := run(ctx, progress, "mmdebstrap", append(arguments(), fresh, mirror)...); err != nil {
		return err
	}
	return os.Rename(fresh, archive)
}

// unpack makes the directory from the archive.
func unpack(ctx context.Context, archive, root string, progress io.Writer) error {
	fmt.Fprintf(progress, "%s: unpacking\n", root)
	fresh := root + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	if err := run(ctx, progress, "tar", "--extract", "--numeric-owner", "--preserve-permissions",
		"--xattrs", "--xattrs-include=*", "--file", archive, "--directory", fresh); err != nil {
		return err
	}
	return os.Rename(fresh, root)
}

// run runs a program with mounts of its own, so that none of them is left whichever way
// it ends. An interrupted one is asked to end.
func run(ctx context.Context, progress io.Writer, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = progress, progress
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second // for it to take away what it began
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}
