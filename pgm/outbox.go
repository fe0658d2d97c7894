package pgm

import (
	"errors"
	"net"
	"net/netip"

	"vipd/multicast"
)

// outbox gathers packets into as few datagrams and system calls as the link
// allows: a run of packets of one size is one datagram that the kernel cuts.
type outbox struct {
	link     Link
	segments bool
	seal     Seal   // nil: packets are not sealed
	arena    []byte // memory of the datagrams, one after the other
	batch    []multicast.Datagram
	sizes    []int // of the first packet of each datagram
	counts   []int // packets in each datagram
	closed   bool  // the last datagram ended with a shorter packet
	lost     uint64
}

// arenaSize is how many octets one round of sending gathers.
const arenaSize = 256 << 10

func newOutbox(l Link, s Seal) *outbox {
	return &outbox{link: l, seal: s, segments: l.Segments(), arena: make([]byte, 0, arenaSize)}
}

// room reports whether one more packet of n octets may be added.
func (o *outbox) room(n int) bool {
	return len(o.batch) < multicast.MaxBatch && len(o.arena)+n+sealOverhead(o.seal) <= cap(o.arena)
}

// add copies one packet into the outbox, sealed; the zero address is the group.
func (o *outbox) add(p []byte, to netip.AddrPort) {
	at := len(o.arena)
	o.arena = appendSealed(o.arena, o.seal, p)
	n := len(o.arena) - at
	if last := len(o.batch) - 1; last >= 0 && o.joins(last, n, to) {
		d := &o.batch[last]
		d.Data = o.arena[at-len(d.Data) : len(o.arena)]
		d.SegmentSize = o.sizes[last]
		o.counts[last]++
		o.closed = n < o.sizes[last]
		return
	}
	o.batch = append(o.batch, multicast.Datagram{Addr: to, Data: o.arena[at:]})
	o.sizes = append(o.sizes, n)
	o.counts = append(o.counts, 1)
	o.closed = false
}

// joins reports whether n octets may be one more segment of datagram i.
func (o *outbox) joins(i, n int, to netip.AddrPort) bool {
	d := &o.batch[i]
	return o.segments && !o.closed && n <= o.sizes[i] && d.Addr == to &&
		o.counts[i] < multicast.MaxSegments && len(d.Data)+n <= multicast.MaxDatagram-ipv6Header
}

// send writes everything and empties the outbox. What the network refuses for
// now is dropped and counted: it will be asked for again. The error is
// net.ErrClosed or one that will not go away.
func (o *outbox) send() error {
	defer o.clear()
	batch := o.batch
	for len(batch) > 0 {
		n, err := o.link.Write(batch)
		batch = batch[n:]
		switch {
		case err == nil:
		case len(batch) == 0 || errors.Is(err, net.ErrClosed):
			return err
		case batch[0].SegmentSize > 0 && !multicast.Transient(err):
			o.segments = false // no offload here: singly, from now on
			if err := o.singly(batch[0]); err != nil {
				return err
			}
			batch = batch[1:]
		case multicast.Transient(err):
			o.lost++
			batch = batch[1:]
		default:
			return err
		}
	}
	return nil
}

// singly sends the segments of a datagram one by one.
func (o *outbox) singly(d multicast.Datagram) error {
	one := make([]multicast.Datagram, 1)
	for p := range d.Segments() {
		one[0] = multicast.Datagram{Addr: d.Addr, Data: p}
		if _, err := o.link.Write(one); err != nil {
			if !multicast.Transient(err) {
				return err
			}
			o.lost++
		}
	}
	return nil
}

func (o *outbox) clear() {
	o.arena, o.batch, o.sizes, o.counts = o.arena[:0], o.batch[:0], o.sizes[:0], o.counts[:0]
}
