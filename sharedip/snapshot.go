package sharedip

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync/atomic"
	"vipd/sharedip/rtnl"
)

// snapshot is the host as it was seen last, and where the addresses would be on it. It
// is for questions of the owner that may not wait for what is being done for any
// token: to put a thousand addresses on takes the kernel longer than a heartbeat. It
// is never changed; whoever changes what it tells of publishes another.
type snapshot struct {
	view   *rtnl.Host
	tokens map[string]*tokenState
	ears   map[int]*linkTraffic // by interface
}

// tokenState is one token in the snapshot.
type tokenState struct {
	placements []placement
	wishes     *wishes
}

// placement is one address and where it is, or would be.
type placement struct {
	Address
	index  int   // of the interface; 0 = not known
	hinder error // why it could not be reached there; nil: nothing is known
}

// wishes are what the owner asked for of a token, without waiting.
type wishes struct {
	announce atomic.Bool                // again; for Run
	defend   atomic.Pointer[netip.Addr] // against a claimant that is a node's place; for Run
	asks     atomic.Uint64              // so many until now
}

var errNotConfigured = errors.New("no such token")

// stateOf returns the snapshot and the token in it.
func (h *AddressManager) stateOf(name string) (*snapshot, *tokenState, error) {
	o := h.snapshot.Load()
	if o == nil { // nobody keeps it up to date
		var err error
		if o, err = h.readSnapshot(); err != nil {
			return nil, nil, err
		}
	}
	p := o.tokens[name]
	if p == nil {
		return nil, nil, fmt.Errorf("%s: %w", name, errNotConfigured)
	}
	return o, p, nil
}

// readSnapshot makes an snapshot of what is so now.
func (h *AddressManager) readSnapshot() (*snapshot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.currentHost()
	if err != nil {
		return nil, err
	}
	return h.newSnapshot(v), nil
}

// publish makes v the snapshot while Run keeps it up to date.
func (h *AddressManager) publish(v *rtnl.Host) {
	if h.watching {
		h.snapshot.Store(h.newSnapshot(v))
	}
}

func (h *AddressManager) newSnapshot(v *rtnl.Host) *snapshot {
	o := &snapshot{view: v, tokens: make(map[string]*tokenState, len(h.tokens)), ears: maps.Clone(h.traffic)}
	for name, t := range h.tokens {
		p := &tokenState{wishes: t.wishes}
		for _, place := range t.places {
			s := place.placement
			if l, ok := v.LinkByIndex(s.index); ok {
				s.hinder = h.hindrance(v, l, s.Address)
			}
			p.placements = append(p.placements, s)
		}
		o.tokens[name] = p
	}
	return o
}
