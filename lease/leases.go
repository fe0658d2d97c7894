package lease

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Options say what to open.
type Options struct {
	// Prefer is the best layer to try; zero is BPF.
	Prefer Layer
	// PinDir is a folder in a BPF file system, such as /sys/fs/bpf/vipd. With
	// it a daemon without CAP_SYS_ADMIN finds what an earlier one left. Empty:
	// nothing is pinned.
	PinDir string
	// Addresses are those that this host may hold. They count only when an
	// earlier daemon's leases are in force but can't be read: then they are
	// expired before its programs are replaced, so that none slips through.
	Addresses []netip.Addr
}

// Leases are those of one network namespace: that of the thread that opened
// them.
type Leases struct {
	layer Layer
	why   string
	in    enforcer

	mu        sync.Mutex // never held by Renew
	addresses map[netip.Addr]*Lease
	groups    map[string]*Lease
}

// Open takes the best layer that the host allows, and adopts what an earlier
// daemon left there. It fails only when something was left but can't be read.
func Open(o Options) (*Leases, error) {
	l := &Leases{addresses: make(map[netip.Addr]*Lease), groups: make(map[string]*Lease)}
	l.layer, l.in, l.why = choose(o)
	left, err := l.in.adopted()
	if err != nil {
		l.in.close(false)
		return nil, fmt.Errorf("adopt leases: %w", err)
	}
	for address, cell := range left {
		l.addresses[address] = &Lease{leases: l, address: address, cell: cell}
	}
	return l, nil
}

// choose opens the first layer that works, and says why not a better one.
func choose(o Options) (Layer, enforcer, string) {
	var why []string
	for _, each := range []struct {
		layer Layer
		open  func(Options) (enforcer, error)
	}{{BPF, openPrograms}, {Nftables, openRuleset}} {
		if len(why) == 0 && o.Prefer != "" && o.Prefer != each.layer {
			why = append(why, string(each.layer)+": not preferred")
			continue
		}
		in, err := each.open(o)
		if err == nil {
			return each.layer, in, strings.Join(why, "; ")
		}
		why = append(why, fmt.Sprintf("%s: %v", each.layer, err))
	}
	return None, nothing{}, strings.Join(why, "; ")
}

// Layer is the layer in force.
func (l *Leases) Layer() Layer { return l.layer }

// Why says why no better layer is in force; empty for BPF.
func (l *Leases) Why() string { return l.why }

// Adopted are the leases of all addresses that are armed now: after Open those
// that an earlier daemon left, valid or expired. Arm returns the same ones; what
// nobody wants any more is to be disarmed.
func (l *Leases) Adopted() map[netip.Addr]*Lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.addresses)
}

// Arm prepares a lease for the address, to be called before the address is
// added: it is expired unless adopted. The interfaces, by index, are those that
// would answer for the address: the one it will be on, and others on its LAN.
func (l *Leases) Arm(address netip.Addr, interfaces ...int) (*Lease, error) {
	address = address.Unmap()
	if !address.IsValid() || address.IsMulticast() || address.Zone() != "" {
		return nil, fmt.Errorf("arm %s: not an address to share", address)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	x, err := l.enter(address)
	if err != nil {
		return nil, fmt.Errorf("arm %s: %w", address, err)
	}
	for _, index := range interfaces {
		if err := l.in.guard(index); err != nil {
			return nil, fmt.Errorf("arm %s on interface %d: %w", address, index, err)
		}
	}
	return x, nil
}

func (l *Leases) enter(address netip.Addr) (*Lease, error) {
	if x := l.addresses[address]; x != nil {
		return x, nil
	}
	cell, err := l.in.enter(address)
	if err != nil {
		return nil, err
	}
	x := &Lease{leases: l, address: address, cell: cell}
	l.addresses[address] = x
	return x, nil
}

// Renew moves expiries, all in one go. With BPF it is a store for each, without
// allocation or system call; with nftables one transaction. It never waits for
// Arm or Disarm of other leases.
func (l *Leases) Renew(rs []Renewal) error { return l.in.write(rs) }

func (l *Leases) disarm(x *Lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.addresses[x.address] != x && l.groups[x.group] != x {
		return nil
	}
	x.end()
	var err error
	if x.address.IsValid() {
		delete(l.addresses, x.address)
		err = l.in.forget(x.address)
	} else {
		delete(l.groups, x.group)
		err = l.in.(*programs).forgetGroup(x.group)
	}
	if err != nil {
		return fmt.Errorf("disarm %s: %w", x, err)
	}
	return nil
}

// Close lets go of everything. Leases that are armed stay in force in the
// kernel, to run out or to be adopted; when there is none, nothing is left but
// empty clsact qdiscs. Watch must have ended.
func (l *Leases) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	clean := len(l.addresses)+len(l.groups) == 0
	for _, x := range slices.Concat(slices.Collect(maps.Values(l.addresses)), slices.Collect(maps.Values(l.groups))) {
		x.end()
	}
	clear(l.addresses)
	clear(l.groups)
	return l.in.close(clean)
}
