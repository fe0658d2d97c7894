package lease

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"vipd/heartbeat/clock"
)

// ErrDisarmed says that a lease was used after Disarm or Close.
var ErrDisarmed = errors.New("lease is not armed")

// On is the name under which a lease of addr on the interface with that index is armed. A
// link-local address is another one on each interface (RFC 4291 section 2.5.6), so its
// zone is that index; any other has none.
func On(addr netip.Addr, index int) netip.Addr {
	addr = addr.Unmap()
	if addr.Is4() || !addr.IsLinkLocalUnicast() {
		return addr.WithZone("")
	}
	return addr.WithZone(strconv.Itoa(index))
}

// Lease is one address's, or one control group's. Its methods may be called
// from any goroutine.
type Lease struct {
	leases  *Leases
	address netip.Addr // invalid for a group
	group   string     // path of the control group

	mu   sync.Mutex    // held for one store
	cell *atomic.Int64 // nil when disarmed
}

// Renewal moves the expiry of a lease.
type Renewal struct {
	Lease *Lease
	Until clock.Instant // exclusive; a past instant ends the lease
}

// Address is the lease's address; invalid when it is a control group's.
func (x *Lease) Address() netip.Addr { return x.address }

// String names the address or the group.
func (x *Lease) String() string {
	if x.address.IsValid() {
		return x.address.String()
	}
	return x.group
}

// Expiry is the instant at which the kernel ends or ended the lease; 0 when it
// was never renewed or is not armed.
func (x *Lease) Expiry() clock.Instant {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cell == nil {
		return 0
	}
	return clock.Instant(x.cell.Load())
}

// Enforced is the expiry that the kernel knows: with nftables a posted one comes to it a
// little later. It may wait for the kernel.
func (x *Lease) Enforced() clock.Instant { return x.leases.in.told(x.address, x.Expiry()) }

// Expire ends the lease at once. A Renew that comes after it begins it again:
// keeping the order is the caller's part.
func (x *Lease) Expire() error { return x.leases.Renew([]Renewal{{Lease: x}}) }

// Disarm is Leases.Disarm of this one.
func (x *Lease) Disarm() error { return x.leases.Disarm(x) }

func (x *Lease) store(until clock.Instant) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cell == nil {
		return fmt.Errorf("renew %s: %w", x, ErrDisarmed)
	}
	x.cell.Store(int64(until))
	return nil
}

// end takes the lease its cell away; nobody writes there after it.
func (x *Lease) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cell = nil
}
