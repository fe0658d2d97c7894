package seal

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxKeyFile is the most that is read of a key file, in bytes: two keys and
// plenty of comment.
const maxKeyFile = 64 << 10

// ReadKeyFile reads the keys of a cluster, the active one first, for [NewRing].
// It refuses a file that anybody but its owner can read, write or execute, one
// that is no regular file, and one over 64 KiB. Errors name the path and never
// what the file holds.
func ReadKeyFile(path string) ([]Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	defer file.Close()
	// The open file is looked at, not the path: nobody can swap it in between.
	if err := checkKeyFile(file); err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	keys, err := ParseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return keys, nil
}

// checkKeyFile refuses a file that is not its owner's alone.
func checkKeyFile(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	if info.Size() > maxKeyFile {
		return fmt.Errorf("%d bytes, want at most %d", info.Size(), maxKeyFile)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("mode %04o lets others at the key; run: chmod 0600 %s", mode, file.Name())
	}
	return nil
}
