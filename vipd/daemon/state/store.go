package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"vipd/host/boot"
	"vipd/token"
)

// State is what outlives a reboot: the epochs that may have been granted, who
// holds what nobody inherits, and whether an operator took the node out.
type State struct {
	Version   int                `json:"version"`
	HighWater uint64             `json:"high_water"`      // epoch counter that no grant went beyond
	Timed     bool               `json:"timed,omitempty"` // nor was any ahead of the time of day
	Suspended bool               `json:"suspended"`
	Boot      string             `json:"boot"` // of Records
	Records   map[string]heldFor `json:"records,omitempty"`
	Halted    []string           `json:"halted,omitempty"` // tokens whose group an operator stopped on this node

	Start      uint64           `json:"start,omitempty"`       // counts the starts of this node's daemon
	PeerStarts map[uint8]uint64 `json:"peer_starts,omitempty"` // the greatest of each peer's that was proved, by slot
}

// halt notes that an operator stopped the token's group, or let it go on.
func (s *State) halt(name string, on bool) {
	s.Halted = slices.DeleteFunc(slices.Clone(s.Halted), func(n string) bool { return n == name })
	if on {
		s.Halted = append(s.Halted, name)
	}
}

// heldFor is a token's record, by the token's name.
type heldFor struct {
	Epoch    uint64 `json:"epoch"`
	Holder   bool   `json:"holder"` // this node
	To       uint8  `json:"to,omitempty"`
	Promised bool   `json:"promised,omitempty"` // that this node takes it on no silence
	Relied   []int  `json:"relied,omitempty"`   // the slots of the peers that have promised it to this node
}

// kept is the record as the file has it.
func kept(r token.Record) heldFor {
	h := heldFor{Epoch: r.Epoch, Holder: r.Holder, To: r.To, Promised: r.Promised}
	for slot := range 256 {
		if r.Relied.Has(uint8(slot)) {
			h.Relied = append(h.Relied, slot)
		}
	}
	return h
}

// record is what the machine is told of it.
func (h heldFor) record() token.Record {
	r := token.Record{Epoch: h.Epoch, Holder: h.Holder, To: h.To, Promised: h.Promised}
	for _, slot := range h.Relied {
		r.Relied.Add(uint8(slot))
	}
	return r
}

const storeVersion = 1

// Store writes the state directory. Each write is whole or not at all: a
// temporary file, fsync, rename, fsync of the directory.
type Store struct {
	path   string
	boot   string // of this host, now
	mu     sync.Mutex
	now    State
	lost   error  // why the file that was there could not be used; nil if it could
	aside  string // where that file is now
	unread bool   // it is still in its place: nothing may be written over it
}

// Open reads what is there; a missing file is an empty state. A file that can't be
// used is set aside, under a name of its own, and the state begins anew: a daemon that
// does not start serves no address at all. What can't be written is told by change.
func Open(dir string) *Store {
	s := &Store{path: filepath.Join(dir, "state.json"), boot: fmt.Sprintf("%x", [16]byte(boot.This()))}
	state, err := readState(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR): // the first write makes it, or says why it can't
	case err != nil:
		s.lost, s.unread = err, true
		s.setAside()
	}
	if err != nil {
		state = State{Version: storeVersion, Records: map[string]heldFor{}}
	}
	s.now = state
	return s
}

// setAside renames a file that could not be used, once.
func (s *Store) setAside() error {
	if !s.unread {
		return nil
	}
	aside, err := setAside(s.path)
	if err != nil {
		return fmt.Errorf("%s is of no use and can't be set aside: %w", s.path, err)
	}
	s.aside, s.unread = aside, false
	return nil
}

// LostText says what became of a file that could not be used; "" if it could.
func (s *Store) LostText() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost == nil {
		return ""
	}
	where := "it was set aside as " + s.aside
	if s.unread {
		where = "it could not be set aside and is still there"
	}
	return fmt.Sprintf("state file %s can't be used: %v; %s. This node has begun anew: what nobody inherits waits for a peer's word or an operator's, and whether this node was suspended or a group stopped here is forgotten", s.path, s.lost, where)
}

// State returns a copy of what is on disk.
func (s *Store) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Record returns what is known of the token; that this node holds it counts
// only within the boot that wrote it.
func (s *Store) Record(name string) token.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.now.Records[name].record()
	r.Holder = r.Holder && s.now.Boot == s.boot
	return r
}

// change makes a change durable before it returns nil; on an error the state
// in memory and on disk is as before.
func (s *Store) change(f func(*State)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := errors.Join(s.setAside(), os.MkdirAll(filepath.Dir(s.path), 0o750)); err != nil {
		return err
	}
	next := s.now
	next.Records = make(map[string]heldFor, len(s.now.Records)+1)
	for name, r := range s.now.Records {
		if s.now.Boot != s.boot {
			r.Holder = false
		}
		next.Records[name] = r
	}
	next.Boot = s.boot
	f(&next)
	if err := writeState(s.path, next); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	s.now = next
	return nil
}
