// Package mapped maps small files into memory, for values that outlive the process that
// writes them and that each write must reach by one store.
//
//	file of a run directory ── mmap, shared ──► File ── Word ──► one aligned store
//
// A File has its whole size reserved on the disk: a store to a part without room would
// end the process (SIGBUS, mmap(2)). The package knows no layout, and it gives no order
// to stores of several words; the layouts of its callers do.
package mapped

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File is a file in memory. Several processes may map the same one.
type File struct {
	memory        []byte
	path          string // empty: memory of this process alone
	device, inode uint64 // of the file
}

// Open maps the file of that size in octets, and makes it where it is missing. It
// follows no symbolic link, and never waits for the other end of a pipe.
func Open(path string, size int) (*File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd := int(file.Fd())
	if err := reserve(file, int64(size)); err != nil {
		return nil, fmt.Errorf("size %s: %w", path, err)
	}
	var is unix.Stat_t
	if err := unix.Fstat(fd, &is); err != nil {
		return nil, fmt.Errorf("stat %s: %w", path, err)
	}
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return &File{memory, path, uint64(is.Dev), is.Ino}, nil
}

// reserve gives the file its size and, where the file system can, its room on the disk.
func reserve(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil {
		return err
	}
	err := unix.Fallocate(int(file.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// Private is memory of that size in octets that ends with this process: the stand-in
// where no file can be mapped.
func Private(size int) *File { return &File{memory: make([]byte, size)} }

// Bytes is the whole memory, valid until Close.
func (f *File) Bytes() []byte { return f.memory }

// Word is the word of eight octets at that offset, a multiple of 8, in this host's byte
// order. A reader never sees half a store.
func (f *File) Word(at int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&f.memory[at]))
}

// Path is that of the file, empty for private memory.
func (f *File) Path() string { return f.path }

// Removed reports whether the path no longer names this file: it was removed or replaced.
func (f *File) Removed() bool {
	var is unix.Stat_t
	err := unix.Stat(f.path, &is)
	return err != nil || uint64(is.Dev) != f.device || is.Ino != f.inode
}

// Close unmaps the file, which stays as it is.
func (f *File) Close() error {
	if f.path == "" {
		return nil
	}
	return unix.Munmap(f.memory)
}
