package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxState bounds the state file, in bytes: a record of each of the most tokens takes a
// tenth of it.
const maxState = 4 << 20

// maxHighWater bounds the epoch counter, so that an epoch, which has the slot in its low
// octet, is below 2^53.
const maxHighWater = 1 << 45

// maxAside bounds how many files that could not be used are kept side by side.
const maxAside = 10_000

// readState reads a state file. The error is fs.ErrNotExist where there is none, and any
// other where its contents must not be trusted.
func readState(path string) (state State, err error) {
	text, err := readOwn(path)
	if err != nil {
		return State{}, err
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return State{}, err
	}
	if state.Version != storeVersion {
		return State{}, fmt.Errorf("version %d, want %d", state.Version, storeVersion)
	}
	if state.HighWater > maxHighWater {
		return State{}, fmt.Errorf("high_water is %d, more than any clock and any number of grants make", state.HighWater)
	}
	if state.Records == nil {
		state.Records = map[string]heldFor{}
	}
	return state, nil
}

// readOwn reads a regular file that nobody but root and this user can have written.
func readOwn(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0) // a FIFO would wait for its writer
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var info unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &info); err != nil {
		return nil, err
	}
	switch {
	case info.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, errors.New("it is no regular file")
	case info.Uid != 0 && int(info.Uid) != os.Geteuid():
		return nil, fmt.Errorf("it belongs to user %d, neither root nor the daemon's own", info.Uid)
	case info.Mode&0o022 != 0:
		return nil, fmt.Errorf("mode %04o lets others write it", info.Mode&0o7777)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxState+1))
	if err == nil && len(text) > maxState {
		err = fmt.Errorf("it is longer than %d bytes", maxState)
	}
	return text, err
}

// setAside renames the file to the first free name with a number, and never over another.
func setAside(path string) (aside string, err error) {
	for n := 1; n <= maxAside; n++ {
		aside = fmt.Sprintf("%s.unusable.%d", path, n)
		err = unix.Renameat2(unix.AT_FDCWD, path, unix.AT_FDCWD, aside, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // a file system that can't tell
			if _, there := os.Lstat(aside); there == nil {
				continue
			}
			err = os.Rename(path, aside)
		}
		if !errors.Is(err, unix.EEXIST) {
			break
		}
	}
	if err != nil {
		return "", err
	}
	return aside, syncDir(filepath.Dir(path))
}

func writeState(path string, state State) error {
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	// The name is the same each time, so that crashes leave one file at most.
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
