package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"vipd/seal"
)

// Lines of a key file that say what the key below them is for.
const (
	activeMark = "# active: this node seals with it"
	stagedMark = "# staged: this node opens with it; 'vipd key activate' makes it the active one"
	oldMark    = "# old: this node opens with it; 'vipd key retire' takes it away"
)

// keyFile is a key file that is being changed by one of the verbs.
type keyFile struct {
	path string   // without symbolic links
	lock *os.File // the file as it was when it was locked
	text []byte   // what it holds
	keys []seal.Key
	old  bool // the second key is the one that was active before
}

// openKeyFile reads the file and keeps other changes of it out until close.
func openKeyFile(path string) (*keyFile, error) {
	if _, err := seal.ReadKeyFile(path); err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	f := &keyFile{path: real}
	if f.lock, err = os.OpenFile(real, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if err := f.read(); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// read locks the file, and reads what is under its name then.
func (f *keyFile) read() (err error) {
	if err := unix.Flock(int(f.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%s is being changed by another vipd key: %w", f.path, err)
	}
	locked, err1 := f.lock.Stat()
	now, err2 := os.Stat(f.path)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if !os.SameFile(locked, now) {
		return fmt.Errorf("%s was changed meanwhile; look at 'vipd status' and try again", f.path)
	}
	if f.text, err = os.ReadFile(f.path); err != nil {
		return fmt.Errorf("key file: %w", err)
	}
	if f.keys, err = seal.ParseKeys(f.text); err != nil {
		return fmt.Errorf("key file %s: %w", f.path, err)
	}
	f.old = bytes.Contains(f.text, []byte(oldMark))
	return nil
}

func (f *keyFile) close() { f.lock.Close() }

// second is the key beside the active one.
func (f *keyFile) second() (seal.Key, bool) {
	if len(f.keys) < 2 {
		return seal.Key{}, false
	}
	return f.keys[1], true
}

// keysText is a key file with these keys. The second is old or staged.
func keysText(keys []seal.Key, old bool) []byte {
	mark := stagedMark
	if old {
		mark = oldMark
	}
	text := fmt.Appendf(nil, "%s\n%s", activeMark, keys[0].Text())
	if len(keys) > 1 {
		text = fmt.Appendf(text, "%s\n%s", mark, keys[1].Text())
	}
	return text
}

// replace puts the text in the file's place, whole or not at all and durably, with
// the file's owner.
func (f *keyFile) replace(text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(f.path), ".key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	_, err = next.Write(text)
	if info, stat := f.lock.Stat(); stat == nil {
		owner := info.Sys().(*syscall.Stat_t)
		err = errors.Join(err, next.Chown(int(owner.Uid), int(owner.Gid)))
	}
	err = errors.Join(err, next.Sync(), next.Close())
	if err == nil {
		err = os.Rename(next.Name(), f.path)
	}
	if err != nil {
		os.Remove(next.Name())
		return fmt.Errorf("write the key file: %w", err)
	}
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("write the key file: %w", err)
	}
	return nil
}
