package watchdog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const lockName = "keeper.lock"

// oneWriter is the lock of the whole file.
func oneWriter() *unix.Flock_t { return &unix.Flock_t{Type: unix.F_WRLCK} }

// lock makes this process the one watchdog of the run directory for as long as the
// file is open. The lock belongs to the open file, so no child and no close of
// another descriptor ends it, and whether it is held can be asked without taking it.
func lock(runDir string) (*os.File, error) {
	file, err := openLock(runDir)
	if err != nil {
		return nil, err
	}
	err = unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, oneWriter())
	if err == nil {
		return file, nil
	}
	file.Close()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, ErrRunning
	}
	return nil, fmt.Errorf("lock %s in %s: %w", lockName, runDir, err)
}

func openLock(runDir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(runDir, lockName), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of the keeper: %w", err)
	}
	return file, nil
}

// locked says whether a watchdog runs.
func locked(runDir string) (bool, error) {
	file, err := openLock(runDir)
	if err != nil {
		return false, err
	}
	defer file.Close()
	held := oneWriter()
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_GETLK, held); err != nil {
		return false, fmt.Errorf("ask for lock %s in %s: %w", lockName, runDir, err)
	}
	return held.Type != unix.F_UNLCK, nil
}
