package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"vipd/token"
)

// stored is what outlives a reboot: the epochs that may have been granted, who
// holds what nobody inherits, and whether an operator took the node out.
type stored struct {
	Version   int                `json:"version"`
	HighWater uint64             `json:"high_water"` // epoch counter that no grant went beyond
	Suspended bool               `json:"suspended"`
	Boot      string             `json:"boot"` // of Records
	Records   map[string]heldFor `json:"records,omitempty"`
	Halted    []string           `json:"halted,omitempty"` // tokens whose group an operator stopped on this node

	Start      uint64           `json:"start,omitempty"`       // counts the starts of this node's daemon
	PeerStarts map[uint8]uint64 `json:"peer_starts,omitempty"` // the greatest of each peer's that was proved, by slot
}

// halt notes that an operator stopped the token's group, or let it go on.
func (s *stored) halt(name string, on bool) {
	s.Halted = slices.DeleteFunc(slices.Clone(s.Halted), func(n string) bool { return n == name })
	if on {
		s.Halted = append(s.Halted, name)
	}
}

// heldFor is a token's record, by the token's name.
type heldFor struct {
	Epoch  uint64 `json:"epoch"`
	Holder bool   `json:"holder"` // this node
	To     uint8  `json:"to,omitempty"`
}

const storeVersion = 1

// store writes the state directory. Each write is whole or not at all: a
// temporary file, fsync, rename, fsync of the directory.
type store struct {
	path string
	boot string // of this host, now
	mu   sync.Mutex
	now  stored
}

// openStore reads what is there; a missing file is an empty state. A file that
// can't be read or parsed is an error: guessing an epoch could repeat one.
func openStore(dir string) (*store, error) {
	s := &store{path: filepath.Join(dir, "state.json"), boot: fmt.Sprintf("%x", bootID()), now: stored{Version: storeVersion, Records: map[string]heldFor{}}}
	text, err := os.ReadFile(s.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, os.MkdirAll(dir, 0o750)
	case err != nil:
		return nil, fmt.Errorf("read state: %w", err)
	}
	s.now = stored{}
	if err := json.Unmarshal(text, &s.now); err != nil {
		return nil, fmt.Errorf("state file %s: %w; move it away to start anew", s.path, err)
	}
	if s.now.Version != storeVersion {
		return nil, fmt.Errorf("state file %s: version %d, want %d; move it away to start anew", s.path, s.now.Version, storeVersion)
	}
	if s.now.Records == nil {
		s.now.Records = map[string]heldFor{}
	}
	return s, nil
}

// state returns a copy of what is on disk.
func (s *store) state() stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// record returns what is known of the token; that this node holds it counts
// only within the boot that wrote it.
func (s *store) record(name string) token.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.now.Records[name]
	return token.Record{Epoch: r.Epoch, Holder: r.Holder && s.now.Boot == s.boot, To: r.To}
}

// change makes a change durable before it returns nil; on an error the state
// in memory and on disk is as before.
func (s *store) change(f func(*stored)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
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

func writeState(path string, state stored) error {
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return err
	}
	// The name is the same each time, so that crashes leave one file at most.
	file, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
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
