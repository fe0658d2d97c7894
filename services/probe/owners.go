package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// linksLimit is the most symbolic links on the way to a file (path_resolution(7)).
const linksLimit = 40

// checkFileOwners walks to a file as the kernel does and says who but root and this user
// could put another in its place: the owner of it, of a folder or of a link on the
// way, or those who may write to one of these.
func checkFileOwners(path string) error {
	rest := parts(path)
	at := "/"
	if err := checkStep(at); err != nil {
		return err
	}
	for links := 0; len(rest) > 0; {
		at, rest = filepath.Join(at, rest[0]), rest[1:]
		if err := checkStep(at); err != nil {
			return err
		}
		to, err := os.Readlink(at)
		if errors.Is(err, syscall.EINVAL) {
			continue // no link
		}
		if err != nil {
			return err
		}
		if links++; links > linksLimit {
			return fmt.Errorf("%s: %w", path, syscall.ELOOP)
		}
		rest = slices.Concat(parts(to), rest)
		at = filepath.Dir(at)
		if filepath.IsAbs(to) {
			at = "/"
		}
	}
	return checkRegular(at)
}

// parts are the names in a path. That ".." may follow a link is why it is not
// cleaned first.
func parts(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}

// checkStep looks at one folder, link or file on the way.
func checkStep(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 && int(owner) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d, who could change what runs", path, owner)
	}
	const writable = 0o022
	if mode := info.Mode(); mode&os.ModeSymlink == 0 && mode.Perm()&writable != 0 {
		return fmt.Errorf("%s has mode %04o: others than its owner could change what runs", path, mode.Perm())
	}
	return nil
}

func checkRegular(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", path)
	}
	return nil
}
