package lease

import (
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"

	"vipd/heartbeat/clock"
)

// ledger is what the layer nftables is to tell the kernel, and what it has told. The
// thread that renews only stores expiries; whoever applies them finds out what differs. An
// expiry that was not applied in time leaves the older one in force: the kernel then ends
// the lease early, never late.
type ledger struct {
	cells map[netip.Addr]*atomic.Int64 // wanted; stored by whoever renews
	known map[netip.Addr]clock.Instant // by the newest transaction that the kernel took
}

func newLedger() ledger {
	return ledger{cells: make(map[netip.Addr]*atomic.Int64), known: make(map[netip.Addr]clock.Instant)}
}

// lifetime is until when one address may answer.
type lifetime struct {
	address netip.Addr
	until   clock.Instant
}

// all lists what is wanted.
func (l ledger) all() (list []lifetime) {
	for address, cell := range l.cells {
		list = append(list, lifetime{address, clock.Instant(cell.Load())})
	}
	return list
}

// changed lists what the kernel is yet to be told. What has run out, or was never
// renewed, needs no word once it is over in the kernel too.
func (l ledger) changed(now clock.Instant) []lifetime {
	return slices.DeleteFunc(l.all(), func(x lifetime) bool {
		told := l.known[x.address]
		return told == x.until || told <= now && x.until <= now
	})
}

// tell notes what the kernel has taken.
func (l ledger) tell(list []lifetime) {
	for _, x := range list {
		l.known[x.address] = x.until
	}
}

// add makes addresses known, expired.
func (l ledger) add(addresses []netip.Addr) {
	for _, address := range addresses {
		l.cells[address] = new(atomic.Int64)
	}
}

// remove forgets addresses.
func (l ledger) remove(addresses []netip.Addr) {
	for _, address := range addresses {
		delete(l.cells, address)
		delete(l.known, address)
	}
}

func (l ledger) adopted() map[netip.Addr]*atomic.Int64 { return maps.Clone(l.cells) }
