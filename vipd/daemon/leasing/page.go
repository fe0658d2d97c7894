package leasing

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/mapped"
	"vipd/token"
	"vipd/vipd/node"
)

// Page is what outlives a killed daemon within one boot: until when each token
// may be held, written at every renewal by one store to mapped memory. The next
// daemon adopts what has not expired, and grants above every epoch in the page, be its
// lease over or the state file lost.
//
// The file lies in the run directory, which a reboot empties; the boot id in it
// guards against one that is kept on a disk.
//
//	magic u64 | boot id 16 | rows: id u64 | epoch u64 | expiry i64 | since i64 | flags u64
type Page struct {
	file *mapped.File // private where the run directory has no room
}

const (
	pageMagic  = 0x7669706470616731 // "vipdpag1"
	pageHeader = 24
	rowSize    = 40
	pageRows   = 2 * token.MaxTokens // a reload may replace them all
	pageSize   = pageHeader + pageRows*rowSize
)

// Row is one token's entry.
type Row struct {
	ID     uint64
	Epoch  uint64
	Expiry clock.Instant
	Since  clock.Instant
	Pinned bool
}

// OpenPage maps the file, and returns what an earlier daemon of this boot left. Where the
// file can't be had, the page is of this process alone, and the error says why: the daemon
// works as well, but after a crash the next one adopts nothing.
func OpenPage(path string) (p *Page, left []Row, err error) {
	this := boot.This()
	file, err := mapped.Open(path, pageSize)
	if err != nil {
		file, err = mapped.Private(pageSize), fmt.Errorf("open lease page: %w", err)
	}
	p = &Page{file}
	head := file.Bytes()[:pageHeader]
	if binary.NativeEndian.Uint64(head) == pageMagic && boot.ID(head[8:]) == this {
		left = p.rows()
	}
	clear(file.Bytes())
	binary.NativeEndian.PutUint64(head, pageMagic)
	copy(head[8:], this[:])
	return p, left, err
}

func (p *Page) rows() (list []Row) {
	for i := range pageRows {
		r := Row{
			ID: p.word(i, 0).Load(), Epoch: p.word(i, 1).Load(), Expiry: clock.Instant(p.word(i, 2).Load()),
			Since: clock.Instant(p.word(i, 3).Load()), Pinned: p.word(i, 4).Load() != 0,
		}
		if r.ID != 0 && r.Epoch != 0 {
			list = append(list, r)
		}
	}
	return list
}

// word is one field of a row: eight aligned octets, so that a reader never sees
// half a value.
func (p *Page) word(i, field int) *atomic.Uint64 {
	return p.file.Word(pageHeader + i*rowSize + field*8)
}

// Hold writes whose lease the row is; the expiry follows by renew. A number
// beyond the page, which only tokens that can't be dropped could bring about, is
// held all the same, but not adopted after a crash.
func (p *Page) Hold(i int, r Row) {
	if i >= pageRows {
		return
	}
	if p.word(i, 0).Load() != r.ID || p.word(i, 1).Load() != r.Epoch {
		p.word(i, 2).Store(0)
		p.word(i, 0).Store(r.ID)
		p.word(i, 1).Store(r.Epoch)
		p.word(i, 3).Store(uint64(r.Since))
	}
	p.Pin(i, r.Pinned)
}

// Pin notes whether an operator has put the token where it is.
func (p *Page) Pin(i int, pinned bool) {
	flags := uint64(0)
	if pinned {
		flags = 1
	}
	if i < pageRows {
		p.word(i, 4).Store(flags)
	}
}

// renew sets until when the token may be held; 0 ends it.
func (p *Page) renew(i int, expiry clock.Instant) {
	if i < pageRows {
		p.word(i, 2).Store(uint64(expiry))
	}
}

// Expiry is until when the token may be held; of one beyond the page nothing is
// known, so Never.
func (p *Page) Expiry(i int) clock.Instant {
	if i >= pageRows {
		return clock.Never
	}
	return clock.Instant(p.word(i, 2).Load())
}

func (p *Page) Close() {
	p.file.Close() // it can fail only for memory that is not mapped
}

// Found is the row as a start finds it.
func (r *Row) Found() node.Left {
	return node.Left{Epoch: r.Epoch, Expiry: r.Expiry, Since: r.Since, Pinned: r.Pinned}
}
