package watchdog

import (
	"fmt"
	"path/filepath"
	"sync/atomic"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
	"vipd/host/mapped"
)

// MaxGroups is the most groups that one watchdog guards.
const MaxGroups = 256

// pageFile is the page file mapped into memory, as both sides see it. All words have
// eight aligned octets in this host's order:
//
//	magic | watchdog's process id | when it looked last | boot id, 36 octets | 0
//	MaxGroups rows: state | expiry | device | inode | length of the path | path
//
// The boot id guards against a run directory that a reboot does not empty.
type pageFile struct{ *mapped.File }

// Places in the page, in octets.
const (
	pageName  = "groups"
	pageMagic = 0x7669706467727031 // "vipdgrp1"

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

	pageSize = headSize + MaxGroups*rowSize
)

// openPageFile maps the page of a run directory, making it if it is not there.
func openPageFile(runDir string) (*pageFile, error) {
	file, err := mapped.Open(filepath.Join(runDir, pageName), pageSize)
	if err != nil {
		return nil, fmt.Errorf("open page of groups: %w", err)
	}
	return &pageFile{file}, nil
}

// field is one word of a row.
func (s *pageFile) field(i, at int) *atomic.Uint64 { return s.Word(headSize + i*rowSize + at) }

// state is the word that makes a row count.
func (s *pageFile) state(i int) *atomic.Uint64 { return s.field(i, rowState) }

// expiry is that of a row.
func (s *pageFile) expiry(i int) clock.Instant { return clock.Instant(s.field(i, rowExpiry).Load()) }

// valid says whether a daemon of this boot has laid the page out.
func (s *pageFile) valid(this boot.ID) bool {
	return s.Word(atMagic).Load() == pageMagic && string(s.Bytes()[atBoot:atBoot+boot.TextSize]) == this.String()
}

// layOut empties the page for this boot. The words of the watchdog about itself stay.
func (s *pageFile) layOut(this boot.ID) {
	s.Word(atMagic).Store(0)
	clear(s.Bytes()[headSize:])
	copy(s.Bytes()[atBoot:], this.String())
	s.Word(atMagic).Store(pageMagic)
}

// row is the content of one row.
type row struct {
	state  state
	expiry clock.Instant
	cgroup.ID
	path string
}

// read reads a row; not ok when its state has changed meanwhile, so that the parts
// may be of two groups.
func (s *pageFile) read(i int) (r row, ok bool) {
	r.state = state(s.state(i).Load())
	r.expiry = s.expiry(i)
	r.Device, r.Inode = s.field(i, rowDevice).Load(), s.field(i, rowInode).Load()
	length := min(s.field(i, rowLength).Load(), pathLimit)
	start := headSize + i*rowSize + rowPath
	r.path = string(s.Bytes()[start : start+int(length)])
	return r, state(s.state(i).Load()) == r.state
}

// write fills a row that is free. It does not count before the caller arms it.
func (s *pageFile) write(i int, r row) {
	s.field(i, rowExpiry).Store(uint64(r.expiry))
	s.field(i, rowDevice).Store(r.Device)
	s.field(i, rowInode).Store(r.Inode)
	s.field(i, rowLength).Store(uint64(len(r.path)))
	start := headSize + i*rowSize + rowPath
	copy(s.Bytes()[start:start+pathLimit], r.path)
}
