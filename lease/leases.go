package lease

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
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

// Arm prepares a lease for each of the addresses, as On names them, to be called before they are
// added: it is expired unless adopted. The interfaces, by index, are those that
// would answer for them: those they will be on, and others on their LANs. After an
// error some may be armed already.
func (l *Leases) Arm(addresses []netip.Addr, interfaces ...int) ([]*Lease, error) {
	for _, address := range addresses {
		if !address.IsValid() || address.Unmap().IsMulticast() || badZone(address.Unmap()) {
			return nil, fmt.Errorf("arm %s: not an address to share", address)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, err := l.enter(addresses)
	if err != nil {
		return nil, fmt.Errorf("arm %s: %w", several(addresses), err)
	}
	if err := l.guard(interfaces); err != nil {
		return nil, fmt.Errorf("arm %s on %w", several(addresses), err)
	}
	return list, nil
}

// badZone reports whether the address is not named as On names it.
func badZone(address netip.Addr) bool {
	if address.Is4() || !address.IsLinkLocalUnicast() {
		return address.Zone() != ""
	}
	index, err := strconv.ParseInt(address.Zone(), 10, 32)
	return err != nil || index <= 0
}

// Guard does beforehand what Arm has to do on interfaces where nothing was armed so far:
// it takes longer than all else.
func (l *Leases) Guard(interfaces ...int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.guard(interfaces)
}

func (l *Leases) guard(interfaces []int) error {
	for _, index := range interfaces {
		if err := l.in.guard(index); err != nil {
			return fmt.Errorf("interface %d: %w", index, err)
		}
	}
	return nil
}

// several names the first of the addresses, and says how many more there are.
func several(addresses []netip.Addr) string {
	if len(addresses) == 1 {
		return addresses[0].String()
	}
	return fmt.Sprintf("%s and %d more", addresses[0], len(addresses)-1)
}

// enter finds or makes the lease of each address, in the order given.
func (l *Leases) enter(addresses []netip.Addr) (list []*Lease, err error) {
	var fresh []*Lease
	var unknown []netip.Addr
	for _, address := range addresses {
		address = address.Unmap()
		x := l.addresses[address]
		if x == nil {
			x = &Lease{leases: l, address: address}
			fresh, unknown = append(fresh, x), append(unknown, address)
		}
		list = append(list, x)
	}
	cells, err := l.in.enter(unknown)
	if err != nil {
		return nil, err
	}
	for i, x := range fresh {
		x.cell = cells[i]
		l.addresses[x.address] = x
	}
	return list, nil
}

// Renew moves expiries, all in one go, and returns when the kernel knows. With BPF it is
// a store for each, without allocation or system call; with nftables a transaction, which
// may take as long as others keep the kernel busy.
func (l *Leases) Renew(rs []Renewal) error { return l.in.write(rs) }

// Post does what Renew does and never waits for the kernel: with nftables a thread of its
// own tells it. Until then the older expiry is in force, so a lease ends early rather than
// late. An error may be about what was posted before: the kernel does not take it, or has
// not answered for 100 ms.
func (l *Leases) Post(rs []Renewal) error { return l.in.post(rs) }

// Sync returns when the kernel knows all that was posted before.
func (l *Leases) Sync() error { return l.in.apply() }

// Disarm makes the kernel forget the leases, so that what they held passes freely.
// Call it when the addresses have been removed from their interfaces. A lease that
// is not armed is left as it is.
func (l *Leases) Disarm(list ...*Lease) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	var addresses []netip.Addr
	for _, x := range list {
		switch {
		case x.address.IsValid() && l.addresses[x.address] == x:
			delete(l.addresses, x.address)
			addresses = append(addresses, x.address)
		case !x.address.IsValid() && l.groups[x.group] == x:
			delete(l.groups, x.group)
			if err := l.in.(*programs).forgetGroup(x.group); err != nil {
				errs = append(errs, fmt.Errorf("disarm %s: %w", x, err))
			}
		default:
			continue
		}
		x.end()
	}
	if len(addresses) > 0 {
		if err := l.in.forget(addresses); err != nil {
			errs = append(errs, fmt.Errorf("disarm %s: %w", several(addresses), err))
		}
	}
	return errors.Join(errs...)
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
