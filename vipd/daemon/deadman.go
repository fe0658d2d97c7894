package daemon

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
	"vipd/lease"
	"vipd/sharedip"
	"vipd/token"
)

// deadman ties the kernel's leases to the tokens: a token's addresses are armed,
// expired, before they are put on, and let go after they are off. In between
// the beater alone moves their expiry.
type deadman struct {
	*sharedip.Hands
	leases *lease.Leases
	layer  string // in force, as status names it
	why    string // no better one is; "" if it is the best
	log    *slog.Logger
	renew  func(id uint64) // has the beater write a token's expiry now

	// refused is told, on the thread that beats, that a lease could not be written, and
	// whether what it holds is silent by that although it should not be.
	refused func(id uint64, silent bool, err error)

	groups *containment // nil: no group needs it

	mu    sync.Mutex
	armed map[uint64][]*lease.Lease // by the token's ID
	until map[uint64]clock.Instant  // the end of a token's lease as the kernel has it
	batch []lease.Renewal
	sick  bool // the last write failed
}

// nftFloor is the shortest lease that nftables can enforce: it counts in jiffies
// and each renewal is a transaction.
const nftFloor = 100 * time.Millisecond

// lifetimeOnly is the layer where nothing enforces leases: the lifetime of the
// addresses themselves, in whole seconds.
const lifetimeOnly = "valid_lft"

func newDeadman(leases *lease.Leases, length time.Duration, log *slog.Logger) *deadman {
	d := &deadman{leases: leases, layer: string(leases.Layer()), why: leases.Why(), log: log, armed: map[uint64][]*lease.Lease{}, until: map[uint64]clock.Instant{}}
	switch {
	case leases.Layer() == lease.None:
		d.layer = lifetimeOnly
	case leases.Layer() == lease.Nftables && length < nftFloor:
		d.layer = lifetimeOnly
		d.why = fmt.Sprintf("%s; nftables: a lease of %v is too short for it, at least %v", d.why, length, nftFloor)
	}
	return d
}

// backstop is how long addresses live in a kernel that enforces leases: what is left
// of a host whose daemon is gone does not answer, but it is not to stay either.
const backstop = 20 * time.Second

// lifetime is how long an address is to live in the kernel by itself.
func (d *deadman) lifetime() time.Duration {
	if d.enforces() {
		return backstop
	}
	return sharedip.MinLifetime
}

// enforces reports whether the kernel silences an address whose lease has ended.
func (d *deadman) enforces() bool { return d != nil && d.layer != lifetimeOnly }

// Close lets go of the hands. Leases stay in force, to run out or to be adopted.
func (d *deadman) Close() {
	d.Hands.Close()
	if d.groups != nil {
		d.groups.stay()
	}
	if err := d.leases.Close(); err != nil {
		d.log.Error("close the kernel's leases", "err", err)
	}
}

// Configure has the interfaces guarded already on which something may be taken. One that
// can't be yet is at the first take.
func (d *deadman) Configure(sets []sharedip.Set) error {
	if err := d.Hands.Configure(sets); err != nil || !d.enforces() {
		return err
	}
	for _, set := range sets {
		if places, err := d.Where(set.Token); err == nil {
			d.leases.Guard(interfaces(places)...)
		}
	}
	return nil
}

// interfaces lists each once, in order.
func interfaces(places map[netip.Addr]int) []int {
	list := slices.Sorted(maps.Values(places))
	return slices.Compact(list)
}

// Take arms the token's addresses, makes their lease true, and puts them on.
func (d *deadman) Take(name string, epoch uint64) error {
	if d.enforces() {
		if err := d.arm(name); err != nil {
			return err
		}
		d.renew(token.ID(name))
	}
	if err := d.Hands.Take(name, epoch); err != nil {
		return errors.Join(err, d.disarm(name))
	}
	return nil
}

// Drop removes the token's addresses, whose lease has ended before. A removal that the
// kernel refuses is no failure where nothing is there to remove, or where the lease
// silences what is there until its lifetime ends: only then may another host have them.
func (d *deadman) Drop(name string) error {
	if err := d.Hands.Drop(name); err != nil {
		held, unknown := d.Hands.Held()
		switch {
		case unknown != nil:
			return errors.Join(err, unknown)
		case len(held[name]) > 0 && d.silenced(name):
			d.log.Error("could not remove the address; it is silent, and the kernel removes it within "+backstop.String(), "token", name, "err", err)
			return nil // and stays armed
		case len(held[name]) > 0:
			return err
		}
	}
	if err := d.disarm(name); err != nil { // an expired lease of an address that is off silences nothing
		d.log.Error("could not let go of the kernel's lease", "token", name, "err", err)
	}
	return nil
}

// silenced reports whether the kernel lets nothing of the token pass: its leases are in
// force, and the newest expiry that the kernel took is past.
func (d *deadman) silenced(name string) bool {
	if !d.enforces() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := token.ID(name)
	return len(d.armed[id]) > 0 && d.until[id] < bootNow()
}

func (d *deadman) arm(name string) error {
	places, err := d.Where(name)
	if err != nil {
		return err
	}
	list, err := d.leases.Arm(slices.Collect(maps.Keys(places)), interfaces(places)...)
	if err != nil {
		return fmt.Errorf("lease of %s: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	id := token.ID(name)
	d.armed[id], d.until[id] = list, 0
	for _, l := range list {
		d.until[id] = max(d.until[id], l.Expiry())
	}
	return nil
}

func (d *deadman) disarm(name string) error {
	d.mu.Lock()
	list := d.armed[token.ID(name)]
	delete(d.armed, token.ID(name))
	delete(d.until, token.ID(name))
	d.mu.Unlock()
	return d.leases.Disarm(list...)
}

// write moves the expiry of a token's addresses; 0 ends it.
func (d *deadman) write(id uint64, until clock.Instant) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renewGroup(id, until)
	d.batch = d.batch[:0]
	for _, l := range d.armed[id] {
		d.batch = append(d.batch, lease.Renewal{Lease: l, Until: until})
	}
	if len(d.batch) == 0 {
		return
	}
	err := d.leases.Renew(d.batch)
	now := bootNow()
	switch {
	case err == nil:
		d.until[id] = until
	case d.refused != nil:
		d.refused(id, until > now && d.until[id] <= now, err)
	}
	if failed := err != nil; failed != d.sick {
		d.sick = failed
		if failed {
			d.log.Error("could not write the kernel's lease", "err", err)
		} else {
			d.log.Info("the kernel's lease can be written again")
		}
	}
}

// clear lets go of what an earlier daemon left armed and nobody took over.
func (d *deadman) clear() error {
	if d == nil {
		return nil
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

// watchLease reports when somebody takes away what enforces the leases; it is put
// back within a second.
func (d *Daemon) watchLease(ctx context.Context) error {
	d.deadman.leases.Watch(ctx, func(e lease.Event) {
		d.tell(noise{d.loop.journal.say("alarm", "lease: %v", e)})
		text := ""
		if e.Err != nil {
			text = "the kernel's lease is not in force: " + e.String()
		}
		d.setTrouble("lease "+e.What, text)
		d.tell(leaseState{e.What, e.Err})
	})
	return nil
}
