package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxKeyFile is the most that is read of a key file, in octets: two keys and
// plenty of comment.
const maxKeyFile = 64 << 10

// ReadKeyFile reads the keys of a cluster, the active one first, for [NewRing].
// It refuses a file that anybody but its owner can read, write or execute, one
// whose owner is neither root nor the user of this process, one that is no
// regular file, and one over 64 KiB. It never waits: nothing but a regular file is
// opened. A symbolic link is followed when its owner is one of these two as well.
//
// Errors name the path and what to do, and never what the file holds.
func ReadKeyFile(path string) ([]Key, error) {
	text, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return keys, nil
}

// readKeyFile returns what the file holds, after all checks but that of the text.
func readKeyFile(path string) ([]byte, error) {
	if err := checkPath(path); err != nil {
		return nil, explain(path, err)
	}
	// The path may have become another file since. An open that does not wait, and a
	// look at what was opened, leave no gap.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, explain(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil {
		err = checkKeyFile(info, path)
	}
	if err != nil {
		return nil, explain(path, err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	return text, nil
}

// checkPath refuses what must not even be opened.
func checkPath(path string) error {
	link, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if link.Mode()&fs.ModeSymlink == 0 {
		return checkKeyFile(link, path)
	}
	if err := checkOwner(link); err != nil {
		return fmt.Errorf("a symbolic link %w; name the file itself", err)
	}
	file, err := os.Stat(path)
	if err != nil {
		return err
	}
	return checkKeyFile(file, path)
}

// checkKeyFile refuses a file that is not its owner's alone, or not the right
// owner's.
func checkKeyFile(info fs.FileInfo, path string) error {
	if kind := kindOf(info.Mode()); kind != "" {
		return fmt.Errorf("%s, not a regular file; run: vipd key generate --out FILE, and name that file", kind)
	}
	if err := checkOwner(info); err != nil {
		return fmt.Errorf("%w; run: chown %d %s", err, os.Geteuid(), path)
	}
	if info.Size() > maxKeyFile {
		return fmt.Errorf("%d bytes, want at most %d; it is no key file", info.Size(), maxKeyFile)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("mode %04o lets others at the key; run: chmod 0600 %s", mode, path)
	}
	return nil
}

// checkOwner refuses an owner other than root and the user of this process: that
// user could give the cluster another key.
func checkOwner(info fs.FileInfo) error {
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok || status.Uid == 0 || int(status.Uid) == os.Geteuid() {
		return nil
	}
	if os.Geteuid() == 0 {
		return fmt.Errorf("owned by user %d, want root", status.Uid)
	}
	return fmt.Errorf("owned by user %d, want root or user %d", status.Uid, os.Geteuid())
}

// kindOf names what is no regular file.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// explain adds the path and what to do about it.
func explain(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // the path is named already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("key file %s: %w; copy it from another node, or make one: vipd key generate --out %s", path, err, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("key file %s: %w; run as root, or as its owner", path, err)
	}
	return fmt.Errorf("key file %s: %w", path, err)
}
