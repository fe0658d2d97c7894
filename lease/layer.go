package lease

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"vipd/heartbeat/clock"
)

// Layer is what enforces the leases.
type Layer string

// The layers, best first. With None nothing is enforced here: what remains is
// the lifetime of seconds that the kernel gives to addresses.
const (
	BPF      Layer = "bpf"
	Nftables Layer = "nftables"
	None     Layer = "none"
)

// enforcer is one layer at work. Leases calls all but write and audit under its
// own lock.
type enforcer interface {
	// adopted is where the expiries are that an earlier daemon left.
	adopted() (map[netip.Addr]*atomic.Int64, error)
	// enter makes the kernel know the addresses, expired where they are new, and
	// says where the expiry of each is.
	enter([]netip.Addr) ([]*atomic.Int64, error)
	// forget undoes enter.
	forget([]netip.Addr) error
	// guard has the layer look at all that passes an interface. One that is guarded
	// already costs nothing: whether it still is, audit asks.
	guard(index int) error
	// write makes the expiries true.
	write([]Renewal) error
	// post has write done soon, without waiting for the kernel. An error is that of what
	// was posted before, and means that the kernel may not know of it.
	post([]Renewal) error
	// apply does now what was posted.
	apply() error
	// told is the expiry that the kernel knows of an address, for which that one is stored.
	told(address netip.Addr, stored clock.Instant) clock.Instant
	// audit puts back what others took away, and tells.
	audit() []Event
	// close lets go of the kernel's part; it stays in force unless clean.
	close(clean bool) error
}

// Event says that someone took away a part of what enforces the leases.
type Event struct {
	What string // such as "filter vipd_lease_in of eth0"
	Err  error  // why it could not be put back; nil when it is back
}

// OfGroup begins What where the part is of a control group's lease, and of no address.
const OfGroup = "program of "

func (e Event) String() string {
	if e.Err != nil {
		return fmt.Sprintf("%s was removed and can't be put back: %v", e.What, e.Err)
	}
	return e.What + " was removed and is back"
}

// nothing is the layer None: it remembers expiries and enforces none.
type nothing struct{}

func (nothing) adopted() (map[netip.Addr]*atomic.Int64, error)        { return nil, nil }
func (nothing) forget([]netip.Addr) error                             { return nil }
func (nothing) guard(int) error                                       { return nil }
func (nothing) write(rs []Renewal) error                              { return store(rs) }
func (nothing) post(rs []Renewal) error                               { return store(rs) }
func (nothing) apply() error                                          { return nil }
func (nothing) told(_ netip.Addr, stored clock.Instant) clock.Instant { return stored }
func (nothing) audit() []Event                                        { return nil }
func (nothing) close(bool) error                                      { return nil }

func (nothing) enter(addresses []netip.Addr) (cells []*atomic.Int64, err error) {
	for range addresses {
		cells = append(cells, new(atomic.Int64))
	}
	return cells, nil
}

// store writes the expiries to where they are.
func store(rs []Renewal) error {
	var first error
	for _, r := range rs {
		if err := r.Lease.store(r.Until); err != nil && first == nil {
			first = err
		}
	}
	return first
}
