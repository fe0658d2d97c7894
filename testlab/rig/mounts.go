package rig

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Disk is a directory that this process and all hosts share. It outlives power cuts, as
// a disk does, and vanishes with the laboratory.
const Disk = "/run/disk"

// mounts detaches the current mount namespace from the one it was copied from and puts
// fresh file systems where the old ones speak of another machine. What a container may
// forbid is only tried: the old view stays then, and nothing here reads it.
func mounts(inHost bool) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := mountRun(inHost); err != nil {
		return fmt.Errorf("mount a private /run: %w", err)
	}
	const plain = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	unix.Mount("proc", "/proc", "proc", plain, "")
	unix.Mount("sysfs", "/sys", "sysfs", plain, "")
	unix.Mount("bpf", "/sys/fs/bpf", "bpf", plain, "mode=700")
	unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", plain, "")
	return nil
}

// ownCgroups gives the host called name a tree of control groups of its own, where the
// machine lets us make one.
func ownCgroups(name string) {
	const all = "/sys/fs/cgroup"
	lab := filepath.Join(all, cgroupsOf(entrance.pid))
	if entrance.pid == 0 || os.MkdirAll(lab, 0o755) != nil {
		return
	}
	own, err := os.MkdirTemp(lab, name+"-") // another at each boot, as a kernel forgets those it had
	if err != nil {
		return
	}
	unix.Mount(own, all, "", unix.MS_BIND, "")
}

// cgroupsOf is the folder of the laboratory whose pid 1 the machine calls pid.
func cgroupsOf(pid int) string { return fmt.Sprintf("vipd-lab-%d", pid) }

// removeCgroups removes what the laboratory left of its control groups, all of which
// are empty by now.
func removeCgroups(pid int) {
	var folders []string
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} { // alone, and beside version 1
		filepath.WalkDir(filepath.Join(root, cgroupsOf(pid)), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
	}
	for _, folder := range slices.Backward(folders) {
		unix.Rmdir(folder)
	}
}

// mountRun mounts an empty /run with nothing in it but the disk: a new one, or in a
// host the laboratory's.
func mountRun(inHost bool) error {
	var disk string
	if inHost {
		fd, err := unix.Open(Disk, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		disk = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64m")
	if err != nil {
		return err
	}
	if err := os.Mkdir(Disk, 0o755); err != nil || !inHost {
		return err
	}
	return unix.Mount(disk, Disk, "", unix.MS_BIND, "")
}
