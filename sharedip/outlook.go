package sharedip

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync/atomic"
	"vipd/sharedip/rtnl"
)

// outlook is the host as it was seen last, and where the addresses would be on it. It
// is for questions of the owner that may not wait for what is being done for any
// token: to put a thousand addresses on takes the kernel longer than a heartbeat. It
// is never changed; whoever changes what it tells of publishes another.
type outlook struct {
	view   *rtnl.Host
	tokens map[string]*prospect
	ears   map[int]*ear // by interface
}

// prospect is one token in the outlook.
type prospect struct {
	spots  []spot
	wishes *wishes
}

// spot is one address and where it is, or would be.
type spot struct {
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

// prospect returns the outlook and the token in it.
func (h *Hands) prospect(name string) (*outlook, *prospect, error) {
	o := h.outlook.Load()
	if o == nil { // nobody keeps it up to date
		var err error
		if o, err = h.lookOut(); err != nil {
			return nil, nil, err
		}
	}
	p := o.tokens[name]
	if p == nil {
		return nil, nil, fmt.Errorf("%s: %w", name, errNotConfigured)
	}
	return o, p, nil
}

// lookOut makes an outlook of what is so now.
func (h *Hands) lookOut() (*outlook, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.look()
	if err != nil {
		return nil, err
	}
	return h.picture(v), nil
}

// publish makes v the outlook while Run keeps it up to date.
func (h *Hands) publish(v *rtnl.Host) {
	if h.watching {
		h.outlook.Store(h.picture(v))
	}
}

func (h *Hands) picture(v *rtnl.Host) *outlook {
	o := &outlook{view: v, tokens: make(map[string]*prospect, len(h.tokens)), ears: maps.Clone(h.hearing)}
	for name, t := range h.tokens {
		p := &prospect{wishes: t.wishes}
		for _, place := range t.places {
			s := place.spot
			if l, ok := v.LinkByIndex(s.index); ok {
				s.hinder = h.hindrance(v, l, s.Address)
			}
			p.spots = append(p.spots, s)
		}
		o.tokens[name] = p
	}
	return o
}
