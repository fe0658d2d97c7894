package pgm

import (
	"net/netip"

	"vipd/multicast"
)

// Link carries PGM packets between one Sender or Receiver and the others of
// its group: over IP, over UDP, or through anything that moves datagrams.
// Closing the Sender or Receiver closes its link.
type Link interface {
	// Write sends packets in order. One without an address goes to the group;
	// an address without a port gets the link's. It returns how many were
	// sent; the error is about the next.
	Write(batch []multicast.Datagram) (int, error)

	// Inputs are where packets come in. A goroutine reads each, or, of a Receiver
	// whose inputs are all sockets, the goroutine that waits in Receive.
	Inputs() []Input

	// Local is this host's address as others reach it: the path NLA of SPMs.
	Local() netip.Addr

	// Group is the group's address.
	Group() netip.Addr

	// MaxPacket is the longest packet in octets that gets through whole.
	MaxPacket() int

	// Segments says whether one Datagram may hold many packets of one size.
	Segments() bool

	// Close ends every Read with net.ErrClosed.
	Close() error
}

// Input is one source of packets; *multicast.Socket is one. Read waits for
// packets and fills the batch with those that are there.
type Input interface {
	Read(batch []multicast.Datagram) (int, error)
}

// relayer is a link that can pass a packet on to the other sockets of this
// host. Of several that share a port, unicast reaches only one.
type relayer interface {
	Relay(p []byte) error
}

// buffered is a link that knows how many packets may wait in its sockets.
type buffered interface {
	Queue() int
}
