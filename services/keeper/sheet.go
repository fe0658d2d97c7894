package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
)

// MaxGroups is the most groups that one keeper guards.
const MaxGroups = 256

// sheet is the page file mapped into memory, as both sides see it. All words have
// eight aligned octets in this host's order:
//
//	magic | keeper's process id | when it looked last | boot id, 36 octets | 0
//	MaxGroups rows: state | expiry | device | inode | length of the path | path
//
// The boot id guards against a run directory that a reboot does not empty.
type sheet struct {
	memory        []byte
	path          string
	device, inode uint64 // of the file
}

// Places in the page, in octets.
const (
	sheetName  = "groups"
	sheetMagic = 0x7669706467727031 // "vipdgrp1"

	atMagic  = 0
	atKeeper = 8
	atLooked = 16
	atBoot   = 24
	headSize = 64

	rowState  = 0
	rowExpiry = 8
	rowDevice = 16
	rowInode  = 24
	rowLength = 32
	rowPath   = 40
	rowSize   = 512
	pathLimit = rowSize - rowPath // octets

	sheetSize = headSize + MaxGroups*rowSize
)

// openSheet maps the page of a run directory, making it if it is not there.
func openSheet(runDir string) (*sheet, error) {
	path := filepath.Join(runDir, sheetName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open page of groups: %w", err)
	}
	defer file.Close()
	if err := reserve(file); err != nil {
		return nil, fmt.Errorf("size page of groups %s: %w", path, err)
	}
	var is unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &is); err != nil {
		return nil, fmt.Errorf("look at page of groups %s: %w", path, err)
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, sheetSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map page of groups %s: %w", path, err)
	}
	return &sheet{memory, path, uint64(is.Dev), is.Ino}, nil
}

// reserve gives the file its size and, where the file system can, its room: a
// store to a page that finds no room kills the process.
func reserve(file *os.File) error {
	if err := file.Truncate(sheetSize); err != nil {
		return err
	}
	err := unix.Fallocate(int(file.Fd()), 0, 0, sheetSize)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

func (s *sheet) close() error { return unix.Munmap(s.memory) }

// gone says whether the file is no longer where it was.
func (s *sheet) gone() bool {
	var is unix.Stat_t
	err := unix.Stat(s.path, &is)
	return err != nil || uint64(is.Dev) != s.device || is.Ino != s.inode
}

func (s *sheet) word(at int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&s.memory[at]))
}

// field is one word of a row.
func (s *sheet) field(i, at int) *atomic.Uint64 { return s.word(headSize + i*rowSize + at) }

// state is the word that makes a row count.
func (s *sheet) state(i int) *atomic.Uint64 { return s.field(i, rowState) }

// expiry is that of a row.
func (s *sheet) expiry(i int) clock.Instant { return clock.Instant(s.field(i, rowExpiry).Load()) }

// valid says whether a daemon of this boot has laid the page out.
func (s *sheet) valid(this boot.ID) bool {
	return s.word(atMagic).Load() == sheetMagic && string(s.memory[atBoot:atBoot+boot.TextSize]) == this.String()
}

// layOut empties the page for this boot. What the keeper says of itself stays.
func (s *sheet) layOut(this boot.ID) {
	s.word(atMagic).Store(0)
	clear(s.memory[headSize:])
	copy(s.memory[atBoot:], this.String())
	s.word(atMagic).Store(sheetMagic)
}

// row is what a row says.
type row struct {
	state  state
	expiry clock.Instant
	cgroup.ID
	path string
}

// read reads a row; not ok when its state has changed meanwhile, so that the parts
// may be of two groups.
func (s *sheet) read(i int) (r row, ok bool) {
	r.state = state(s.state(i).Load())
	r.expiry = s.expiry(i)
	r.Device, r.Inode = s.field(i, rowDevice).Load(), s.field(i, rowInode).Load()
	length := min(s.field(i, rowLength).Load(), pathLimit)
	start := headSize + i*rowSize + rowPath
	r.path = string(s.memory[start : start+int(length)])
	return r, state(s.state(i).Load()) == r.state
}

// write fills a row that is free. It does not count before the caller arms it.
func (s *sheet) write(i int, r row) {
	s.field(i, rowExpiry).Store(uint64(r.expiry))
	s.field(i, rowDevice).Store(r.Device)
	s.field(i, rowInode).Store(r.Inode)
	s.field(i, rowLength).Store(uint64(len(r.path)))
	start := headSize + i*rowSize + rowPath
	copy(s.memory[start:start+pathLimit], r.path)
}
