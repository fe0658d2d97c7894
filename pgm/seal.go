package pgm

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"vipd/pgm/packet"
)

// Seal makes packets unreadable, or unforgeable, for others: SenderOptions.Seal and
// ReceiverOptions.Seal, of all who are to understand each other. Every packet is sealed by
// itself just before it is written, repairs anew each time, and so is flow control. Its
// methods may be called by several goroutines at once.
//
//	0             4      5
//	+-------------+------+------------------+
//	| PGM's ports | type | sealed packet    |
//	+-------------+------+------------------+
//
// The first octets of a PGM packet stand before the sealed one, so that socket filters,
// the router alert and Shared work. They are compared with those within.
type Seal interface {
	// Overhead is how many octets a sealed packet is longer than the packet: always as
	// many, so that packets of one size still travel as segments of one datagram.
	Overhead() int

	// Seal appends the sealed packet to dst, whose memory p does not share.
	Seal(dst, p []byte) []byte

	// Open returns the packet in a sealed one. It may use the memory of sealed. It should
	// refuse what was sealed long ago, or comes again: PGM takes an old packet for one
	// that the network delivered late.
	Open(sealed []byte) ([]byte, error)
}

// sealPrefix is how many octets of a packet stand in the clear before the sealed one.
const sealPrefix = packet.TypeOffset + 1

// minSealed is the least room for a packet in what a link takes.
const minSealed = 256

// errNotOpened says that a packet was not sealed as this seal does.
var errNotOpened = errors.New("not opened by the seal")

// sealOverhead is how many octets a seal takes from each packet of a link.
func sealOverhead(s Seal) int {
	if s == nil {
		return 0
	}
	return sealPrefix + s.Overhead()
}

// appendSealed appends a packet to b, sealed if there is a seal.
func appendSealed(b []byte, s Seal, p []byte) []byte {
	if s == nil {
		return append(b, p...)
	}
	return s.Seal(append(b, p[:sealPrefix]...), p)
}

// open returns the packet in a sealed one, whose memory it may use.
func open(s Seal, sealed []byte) ([]byte, error) {
	if s == nil {
		return sealed, nil
	}
	if len(sealed) < sealPrefix+s.Overhead() {
		return nil, errNotOpened
	}
	p, err := s.Open(sealed[sealPrefix:])
	if err != nil {
		return nil, err
	}
	if len(p) < sealPrefix || !bytes.Equal(p[:sealPrefix], sealed[:sealPrefix]) {
		return nil, errNotOpened
	}
	return p, nil
}

// checkSeal refuses a seal that leaves too little room.
func checkSeal(s Seal, l Link) error {
	if s != nil && (s.Overhead() < 0 || l.MaxPacket()-sealOverhead(s) < minSealed) {
		return fmt.Errorf("pgm: a seal of %d octets leaves too little of packets of %d", s.Overhead(), l.MaxPacket())
	}
	return nil
}

// sealedFlow seals flow control.
type sealedFlow struct {
	FlowConn
	seal Seal
	in   []byte // for Read, which one goroutine calls
}

func sealFlow(c FlowConn, s Seal) FlowConn {
	if s == nil {
		return c
	}
	return &sealedFlow{c, s, make([]byte, flowLen+s.Overhead()+1)}
}

// Read drops what it can't open.
func (f *sealedFlow) Read(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := f.FlowConn.Read(f.in)
		if err != nil {
			return 0, from, err
		}
		if m, err := f.seal.Open(f.in[:n]); err == nil {
			return copy(b, m), from, nil
		}
	}
}

func (f *sealedFlow) Write(b []byte, to netip.AddrPort) error {
	return f.FlowConn.Write(f.seal.Seal(make([]byte, 0, len(b)+f.seal.Overhead()), b), to)
}
