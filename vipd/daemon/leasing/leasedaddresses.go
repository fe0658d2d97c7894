package leasing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/lease"
	"vipd/sharedip"
	"vipd/token"
)

// LeasedAddresses ties the kernel's leases to the tokens: a token's addresses are armed,
// expired, before they are put on, and let go after they are off. In between
// the sender loop alone moves their expiry.
type LeasedAddresses struct {
	*sharedip.AddressManager
	leases *lease.Leases
	layer  string // in force, as status names it
	why    string // no better one is; "" if it is the best
	Options

	arming sync.Mutex // held while addresses are armed or let go of; never by write

	mu    sync.Mutex
	armed map[uint64][]*lease.Lease // by the token's ID
	until map[uint64]clock.Instant  // the end of a token's lease as the kernel has it
	stood map[uint64][]netip.Addr   // of those, what others put on this host
	taken map[uint64]bool           // tokens that are held, or being taken
	batch []lease.Renewal
	sick  bool // the last write failed
}

// nftFloor is the shortest lease that nftables can enforce: it counts in jiffies
// and each renewal is a transaction.
const nftFloor = 100 * time.Millisecond

// LifetimeOnly is the layer where nothing enforces leases: the lifetime of the
// addresses themselves, in whole seconds.
const LifetimeOnly = "valid_lft"

// Options are the surroundings of leasedAddresses.
type Options struct {
	Length   time.Duration // of a lease
	Log      *slog.Logger
	Groups   *GroupLeases    // nil: no group can be guarded
	RenewNow func(id uint64) // has the sender loop write a token's expiry now
	// Refused is told, on the sender loop's goroutine, that a lease could not be written, and
	// whether its addresses are silent by that although they should not be.
	Refused func(id uint64, silent bool, err error)
}

// NewLeasedAddresses ties tokens to the leases; open gives it the addresses.
func NewLeasedAddresses(leases *lease.Leases, o Options) *LeasedAddresses {
	d := &LeasedAddresses{Options: o, leases: leases, layer: string(leases.Layer()), why: leases.Why(), armed: map[uint64][]*lease.Lease{},
		until: map[uint64]clock.Instant{}, stood: map[uint64][]netip.Addr{}, taken: map[uint64]bool{}}
	switch {
	case leases.Layer() == lease.None:
		d.layer = LifetimeOnly
	case leases.Layer() == lease.Nftables && o.Length < nftFloor:
		d.layer = LifetimeOnly
		d.why = fmt.Sprintf("%s; nftables: a lease of %v is too short for it, at least %v", d.why, o.Length, nftFloor)
	}
	return d
}

// Layer is the enforcement in force, as status names it.
func (d *LeasedAddresses) Layer() string { return d.layer }

// Why says why no better layer is in force; "" if this is the best one.
func (d *LeasedAddresses) Why() string { return d.why }

// Bind gives it the addresses, once: package sharedip takes its method Guard when it opens them.
func (d *LeasedAddresses) Bind(hands *sharedip.AddressManager) { d.AddressManager = hands }

// Watch reports, until ctx ends, each part of the enforcement that another program takes
// away; it is put back within a second.
func (d *LeasedAddresses) Watch(ctx context.Context, report func(lease.Event)) {
	d.leases.Watch(ctx, report)
}

// CloseLeases lets go of the leases where no addresses were opened.
func (d *LeasedAddresses) CloseLeases() error { return d.leases.Close() }

// Backstop is how long addresses live in a kernel that enforces leases: what is left
// of a host whose daemon is gone does not answer, but it is not to stay either.
const Backstop = 20 * time.Second

// Lifetime is how long an address is to live in the kernel by itself.
func (d *LeasedAddresses) Lifetime() time.Duration {
	if d.Enforces() {
		return Backstop
	}
	return sharedip.MinLifetime
}

// Enforces reports whether the kernel silences an address whose lease has ended.
func (d *LeasedAddresses) Enforces() bool { return d != nil && d.layer != LifetimeOnly }

// Close lets go of the hands. Leases stay in force, to run out or to be adopted.
func (d *LeasedAddresses) Close() {
	d.AddressManager.Close()
	if d.Groups != nil {
		d.Groups.stay()
	}
	if err := d.leases.Close(); err != nil {
		d.Log.Error("close the kernel's leases", "err", err)
	}
}

// Configure has the interfaces guarded already on which something may be taken. One that
// can't be yet is at the first take.
func (d *LeasedAddresses) Configure(sets []sharedip.Set) error {
	if err := d.AddressManager.Configure(sets); err != nil || !d.Enforces() {
		return err
	}
	if err := d.shed(sets); err != nil {
		return err
	}
	for _, set := range sets {
		if places, err := d.Where(set.Token); err == nil {
			d.leases.Guard(interfaces(places)...)
		}
	}
	return nil
}

// shed lets go of addresses that a set does not have any more and others did not put on
// this host.
func (d *LeasedAddresses) shed(sets []sharedip.Set) error {
	d.arming.Lock()
	defer d.arming.Unlock()
	d.mu.Lock()
	var gone []*lease.Lease
	for _, set := range sets {
		id := token.ID(set.Token)
		lost := func(l *lease.Lease) bool {
			a := l.Address().WithZone("")
			has := slices.ContainsFunc(set.Addresses, func(x sharedip.Address) bool { return x.Prefix.Addr() == a })
			return !has && !slices.Contains(d.stood[id], l.Address())
		}
		for _, l := range d.armed[id] {
			if lost(l) {
				gone = append(gone, l)
			}
		}
		d.armed[id] = slices.DeleteFunc(d.armed[id], lost)
	}
	gone = slices.DeleteFunc(gone, d.isArmed)
	d.mu.Unlock()
	return d.leases.Disarm(gone...)
}

// interfaces lists each once, in order.
func interfaces(places map[netip.Addr]int) []int {
	list := slices.Sorted(maps.Values(places))
	return slices.Compact(list)
}

// Take puts the token's addresses on, each armed before and with its lease true.
func (d *LeasedAddresses) Take(name string, epoch uint64) error {
	d.setTaken(name, true)
	err := d.AddressManager.Take(name, epoch)
	if err != nil {
		d.setTaken(name, false)
		return errors.Join(err, d.settleAsIs(name))
	}
	return nil
}

// settleAsIs lets go of the token after it has looked which of its addresses are on this
// host: what could not be taken off stays armed.
func (d *LeasedAddresses) settleAsIs(name string) error {
	standing, err := d.StandingNow()
	if err != nil {
		return err
	}
	now := sharedip.Standing{Token: name}
	for _, s := range standing {
		if s.Token == name {
			now = s
		}
	}
	return d.Standing(now)
}

// Drop removes the token's addresses, whose lease has ended before. A removal that the
// kernel refuses is no failure where nothing is there to remove, or where the lease
// silences what is there until its lifetime ends: only then may another host have them.
func (d *LeasedAddresses) Drop(name string) error {
	if err := d.AddressManager.Drop(name); err != nil {
		held, unknown := d.AddressManager.Held()
		switch {
		case unknown != nil:
			return errors.Join(err, unknown)
		case len(held[name]) > 0 && d.silenced(name):
			d.Log.Error("could not remove the address; it is silent, and the kernel removes it within "+Backstop.String(), "token", name, "err", err)
			d.setTaken(name, false)
			return nil // and stays armed
		case len(held[name]) > 0:
			return err
		}
	}
	d.setTaken(name, false)
	if err := d.settle(name); err != nil { // an expired lease of an address that is off silences nothing
		d.Log.Error("could not let go of the kernel's lease", "token", name, "err", err)
	}
	return nil
}

// silenced reports whether the kernel lets nothing of the token pass: its leases are in
// force, and the newest expiry that the kernel took is past.
func (d *LeasedAddresses) silenced(name string) bool {
	if !d.Enforces() {
		return false
	}
	d.leases.Sync() // where the kernel takes no more, what it knows runs out
	d.mu.Lock()
	list := slices.Clone(d.armed[token.ID(name)])
	d.mu.Unlock()
	answers := func(l *lease.Lease) bool { return l.Enforced() >= boot.Now() }
	return len(list) > 0 && !slices.ContainsFunc(list, answers)
}

func (d *LeasedAddresses) setTaken(name string, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken[token.ID(name)] = on
}

// Guard arms addresses of the token that are about to be put on, and gives them the
// lease that the token has now.
func (d *LeasedAddresses) Guard(name string, spots []sharedip.Spot, interfaces []int) error {
	d.arming.Lock()
	defer d.arming.Unlock()
	if err := d.arm(name, spots, interfaces); err != nil {
		return err
	}
	if d.Enforces() && d.RenewNow != nil {
		d.RenewNow(token.ID(name))
		d.leases.Sync() // what is put on is to be heard at once; a refusal is told by the next write
	}
	return nil
}

func (d *LeasedAddresses) arm(name string, spots []sharedip.Spot, interfaces []int) error {
	if !d.Enforces() || len(spots) == 0 {
		return nil
	}
	list, err := d.leases.Arm(leased(spots), interfaces...)
	if err != nil {
		return fmt.Errorf("lease of %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := token.ID(name)
	for _, l := range list {
		d.until[id] = max(d.until[id], l.Expiry())
		if !slices.Contains(d.armed[id], l) {
			d.armed[id] = append(d.armed[id], l)
		}
	}
	return nil
}

// leased are the addresses as package lease names them.
func leased(spots []sharedip.Spot) (list []netip.Addr) {
	for _, s := range spots {
		list = append(list, lease.On(s.Addr, s.Interface))
	}
	return list
}

// Standing silences addresses that are on this host though it does not hold them,
// whoever put them there, as it does those whose lease has run out. Those that are gone are
// let go.
func (d *LeasedAddresses) Standing(s sharedip.Standing) error {
	d.arming.Lock()
	defer d.arming.Unlock()
	err := d.arm(s.Token, s.Spots, s.Interfaces)
	d.mu.Lock()
	d.stood[token.ID(s.Token)] = leased(s.Spots)
	d.mu.Unlock()
	return errors.Join(err, d.letGo(s.Token))
}

// settle is letGo in its turn.
func (d *LeasedAddresses) settle(name string) error {
	d.arming.Lock()
	defer d.arming.Unlock()
	return d.letGo(name)
}

// letGo disarms what is armed for the token and not on this host any more, unless the
// token is held, and ends the lease of what still is on it. d.arming is held.
func (d *LeasedAddresses) letGo(name string) error {
	d.mu.Lock()
	id := token.ID(name)
	if d.taken[id] {
		d.mu.Unlock()
		return nil
	}
	var gone, left []*lease.Lease
	var ends []lease.Renewal
	for _, l := range d.armed[id] {
		if !slices.Contains(d.stood[id], l.Address()) {
			gone = append(gone, l)
			continue
		}
		left, ends = append(left, l), append(ends, lease.Renewal{Lease: l})
	}
	d.armed[id] = left
	gone = slices.DeleteFunc(gone, d.isArmed)
	var err error
	if len(ends) > 0 {
		err = d.leases.Post(ends)
	}
	d.mu.Unlock()
	return errors.Join(err, d.leases.Disarm(gone...))
}

// isArmed reports whether a token has the lease: an address may have gone from one token
// to another. d.mu is held.
func (d *LeasedAddresses) isArmed(l *lease.Lease) bool {
	for _, list := range d.armed {
		if slices.Contains(list, l) {
			return true
		}
	}
	return false
}

// disarm lets go of all that is armed for the token.
func (d *LeasedAddresses) disarm(name string) error {
	d.mu.Lock()
	list := d.armed[token.ID(name)]
	delete(d.armed, token.ID(name))
	delete(d.until, token.ID(name))
	d.mu.Unlock()
	return d.leases.Disarm(list...)
}

// Write moves the expiries of the tokens' addresses, all in one go; 0 ends one. If that
// fails it is tried for each token, so that an error is that of its own. It reports whether
// all are in force.
func (d *LeasedAddresses) Write(list []Expiry) (ok bool) {
	if d == nil {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range list {
		d.renewGroup(e.ID, e.Until)
	}
	if ok = len(list) > 1 && d.post(list) == nil; ok {
		return true
	}
	ok = true
	for i := range list {
		ok = d.writeOne(list[i:i+1]) && ok
	}
	return ok
}

// writeOne does so for one token, and tells how it went. d.mu is held.
func (d *LeasedAddresses) writeOne(list []Expiry) (ok bool) {
	id, until := list[0].ID, list[0].Until
	err := d.post(list)
	if now := boot.Now(); err != nil && d.Refused != nil {
		d.Refused(id, until > now && d.until[id] <= now, err)
	}
	if err != nil && !d.sick {
		d.sick = true
		d.Log.Error("could not write the kernel's lease", "err", err)
	}
	return err == nil
}

// post has the kernel told. d.mu is held.
func (d *LeasedAddresses) post(list []Expiry) error {
	d.batch = d.batch[:0]
	for _, e := range list {
		for _, l := range d.armed[e.ID] {
			d.batch = append(d.batch, lease.Renewal{Lease: l, Until: e.Until})
		}
	}
	if len(d.batch) == 0 {
		return nil
	}
	if err := d.leases.Post(d.batch); err != nil {
		return err
	}
	if d.sick {
		d.sick = false
		d.Log.Info("the kernel's lease can be written again")
	}
	for _, e := range list {
		if len(d.armed[e.ID]) > 0 {
			d.until[e.ID] = e.Until
		}
	}
	return nil
}

// Clear lets go of what an earlier daemon left armed and nobody took over, except for
// what is on this host all the same: that stays silent.
func (d *LeasedAddresses) Clear() error {
	if d == nil {
		return nil
	}
	standing, err := d.StandingNow()
	if err != nil {
		return err
	}
	for _, s := range standing {
		if err := d.Standing(s); err != nil {
			d.Log.Error("could not silence an address that somebody else put on this host", "token", s.Token, "err", err)
		}
	}
	d.mu.Lock()
	kept := map[netip.Addr]bool{}
	for _, list := range d.armed {
		for _, l := range list {
			kept[l.Address()] = true
		}
	}
	d.mu.Unlock()
	left := d.leases.Adopted()
	maps.DeleteFunc(left, func(address netip.Addr, _ *lease.Lease) bool { return kept[address] })
	return d.leases.Disarm(slices.Collect(maps.Values(left))...)
}
