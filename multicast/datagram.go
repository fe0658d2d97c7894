package multicast

import (
	"iter"
	"net/netip"
	"slices"
	"time"
)

// Limits of what one call moves.
const (
	MaxBatch    = 64    // datagrams that one system call reads or writes
	MaxSegments = 64    // segments of one datagram that is sent with a SegmentSize
	MaxDatagram = 65507 // bytes of one datagram over IPv4, its segments together
)

// Datagram is one datagram, read or to be written.
type Datagram struct {
	// Addr is who sent it, or to whom it goes. For an IPv6 link-local address the
	// interface is always the socket's own.
	Addr netip.AddrPort

	// Data is what it holds. The array belongs to the caller: Read fills it up to
	// the slice's capacity and sets the length.
	Data []byte

	// Stamp is the wall time at which the kernel received it; Read sets it. It
	// can be trusted only where StampValid is true: the kernel begins to stamp
	// shortly after a socket asks for it, and what came before that is stamped
	// when it is read. So the first that a socket reads are not valid.
	Stamp      time.Time
	StampValid bool

	// Multicast says that it was sent to the socket's group; Read sets it.
	Multicast bool

	// Truncated says that Data had no room for all of it; Read sets it.
	Truncated bool

	// SegmentSize, if not 0, says that Data is a row of datagrams of that many
	// bytes each, the last may be shorter. Read sets it with Options.GRO. Write
	// leaves the cutting to the kernel (UDP_SEGMENT): at most MaxSegments of
	// them, MaxDatagram bytes in all, none larger than the path's MTU allows.
	SegmentSize int
}

// Segments ranges over the datagrams that Data holds: itself, or its segments.
func (d *Datagram) Segments() iter.Seq[[]byte] {
	if d.SegmentSize == 0 {
		return func(yield func([]byte) bool) { yield(d.Data) }
	}
	return slices.Chunk(d.Data, d.SegmentSize)
}

// NewBatch returns count datagrams with buffers of size bytes each, for Read.
func NewBatch(count, size int) []Datagram {
	batch := make([]Datagram, count)
	room := make([]byte, count*size)
	for i := range batch {
		batch[i].Data = room[i*size : (i+1)*size : (i+1)*size]
	}
	return batch
}
