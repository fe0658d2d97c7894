package config

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// MaxFile is the largest file that is read, in bytes.
const MaxFile = 1 << 20

// Load reads and checks the file at path. The error is Errors; a file that can't be read is a problem without a line.
func Load(path string) (Settings, error) {
	text, err := read(path)
	if err != nil {
		return Settings{}, Errors{{File: path, Reason: err.Error()}}
	}
	return Parse(path, text)
}

// read stops one byte past the bound, so that Parse sees that the file is too large.
func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO without a writer is empty
	switch {
	case os.IsNotExist(err):
		return nil, fmt.Errorf("no such file; copy the reference configuration there or give another path")
	case os.IsPermission(err):
		return nil, fmt.Errorf("no permission to read it; run as root, or as a user who may")
	case err != nil:
		return nil, fmt.Errorf("cannot be opened: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return text, nil
}

// At is a problem with the i-th item of a key, for what only shows outside of the file. Where the file has changed
// since it was read, or the key is not in it, it is as near as can be.
func At(path, reason string, i int, names ...string) Problem {
	text, err := read(path)
	if err != nil {
		return Problem{File: path, Reason: reason}
	}
	s := newSource(path, strings.TrimPrefix(string(text), "\uFEFF"))
	at := scan(s.text).root.find(names...)
	return s.problem(at.item(i), at.path, reason, "")
}
