package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Type is the kind of a packet (RFC 3208 section 8).
type Type uint8

// The packet types.
const (
	SPM   Type = 0x00 // source path message, section 8.1
	POLL  Type = 0x01 // poll request, section 14
	POLR  Type = 0x02 // poll response, section 14
	ODATA Type = 0x04 // original data, section 8.2
	RDATA Type = 0x05 // repair data, section 8.2
	NAK   Type = 0x08 // negative acknowledgment, section 8.3
	NNAK  Type = 0x09 // null negative acknowledgment, section 8.3
	NCF   Type = 0x0A // NAK confirmation, section 8.3
	SPMR  Type = 0x0C // SPM request, section 13
	ACK   Type = 0x0D // acknowledgment of PGMCC
)

var typeNames = map[Type]string{
	SPM: "SPM", POLL: "POLL", POLR: "POLR", ODATA: "ODATA", RDATA: "RDATA",
	NAK: "NAK", NNAK: "NNAK", NCF: "NCF", SPMR: "SPMR", ACK: "ACK",
}

// String returns the name the RFC uses.
func (t Type) String() string {
	if n, ok := typeNames[t]; ok {
		return n
	}
	return fmt.Sprintf("type 0x%02x", uint8(t))
}

// Upstream reports whether packets of this type travel from receivers to the
// source, and so carry the ports swapped.
func (t Type) Upstream() bool {
	switch t {
	case NAK, NNAK, SPMR, POLR, ACK:
		return true
	}
	return false
}

// Data reports whether packets of this type carry data.
func (t Type) Data() bool { return t == ODATA || t == RDATA }

// HeaderLen is the length of the common header in octets.
const HeaderLen = 16

// DataHeaderLen is the length of everything before the options and the
// payload of ODATA and RDATA, in octets.
const DataHeaderLen = HeaderLen + 8

// MaxLen is the longest packet in octets: what one UDP datagram can hold.
const MaxLen = 65507

// Offsets of header fields that are looked at without parsing.
const (
	TypeOffset     = 4
	checksumOffset = 6
	trailOffset    = HeaderLen + 4
)

// The flags of the common header's options octet.
const (
	flagOptions = 0x01 // option extensions follow the body
	flagNetwork = 0x02 // one of them matters to network elements
	flagVarLen  = 0x40 // parity packet over packets of different length
	flagParity  = 0x80 // parity packet, or NAK for one
)

// Packet is one PGM packet. Which fields count depends on the type:
//
//	SPM           Seq (of SPMs), Trail, Lead, Path
//	ODATA, RDATA  Seq, Trail, Payload
//	NAK NNAK NCF  Seq, Source, Group
//	POLL          Seq, Poll, Path
//	POLR          Seq, Poll.Round
//	ACK           Seq (the highest received), Bitmap
//	SPMR          none
type Packet struct {
	Type       Type
	SourcePort uint16
	DestPort   uint16
	GSI        GSI
	Parity     bool // parity packet or NAK for parity, section 11: parsed, never acted on
	VarLen     bool // variable length parity, section 11

	Seq    Seq
	Trail  Seq        // oldest number the source can repair
	Lead   Seq        // youngest number the source has sent
	Path   netip.Addr // address of the last PGM hop
	Source netip.Addr // the source's address, as its SPM named it
	Group  netip.Addr
	Poll   Poll
	Bitmap uint32 // bit 0 is Seq, bit 1 the number before it

	Options Options
	Payload []byte // aliases what was parsed

	list [MaxNAKList]Seq // memory behind Options.NAKList
}

// Poll is the body of a POLL (RFC 3208 section 14).
type Poll struct {
	Round   uint16
	SubType uint16 // 0 general, 1 for designated local repairers
	BackOff uint32 // interval to answer within, in microseconds
	Random  uint32
	Mask    uint32
}

// TSI returns the session the packet belongs to, whichever way it travels.
func (p *Packet) TSI() TSI {
	if p.Type.Upstream() {
		return TSI{p.GSI, p.DestPort}
	}
	return TSI{p.GSI, p.SourcePort}
}

// DataPort returns the data-destination port, whichever way the packet travels.
func (p *Packet) DataPort() uint16 {
	if p.Type.Upstream() {
		return p.SourcePort
	}
	return p.DestPort
}

// Append adds the packet's octets, checksum included, to b. Addresses that
// are not valid are written as 0.0.0.0; of Options.NAKList only the first
// MaxNAKList numbers are written.
func (p *Packet) Append(b []byte) []byte {
	start := len(b)
	be := binary.BigEndian
	b = be.AppendUint16(b, p.SourcePort)
	b = be.AppendUint16(b, p.DestPort)
	b = append(b, byte(p.Type), p.flags(), 0, 0)
	b = append(b, p.GSI[:]...)
	b = be.AppendUint16(b, uint16(len(p.Payload)))
	b = p.appendBody(b)
	b = p.Options.append(b)
	b = append(b, p.Payload...)
	Seal(b[start:])
	return b
}

// flags returns the options octet of the common header.
func (p *Packet) flags() byte {
	var f byte
	if p.Options.Has != 0 {
		f |= flagOptions
	}
	if p.Options.Has&networkSignificant != 0 {
		f |= flagNetwork
	}
	if p.VarLen {
		f |= flagVarLen
	}
	if p.Parity {
		f |= flagParity
	}
	return f
}

// Parse reads one packet from b and checks its checksum. Payload and
// Options.Congestion alias b; the rest is copied. The error is always a
// Fault. After an error p holds nothing of use.
func (p *Packet) Parse(b []byte) error {
	if len(b) < HeaderLen {
		return Short
	}
	be := binary.BigEndian
	flags := b[5]
	p.Type = Type(b[TypeOffset] & 0x0F)
	p.SourcePort, p.DestPort = be.Uint16(b), be.Uint16(b[2:])
	p.GSI = GSI(b[8:14])
	p.Parity, p.VarLen = flags&flagParity != 0, flags&flagVarLen != 0
	p.Seq, p.Trail, p.Lead, p.Bitmap = 0, 0, 0, 0
	p.Path, p.Source, p.Group = netip.Addr{}, netip.Addr{}, netip.Addr{}
	p.Poll, p.Options, p.Payload = Poll{}, Options{}, nil
	if b[TypeOffset]&0xF0 != 0 {
		return BadVersion
	}
	if err := checkSum(p.Type, b); err != nil {
		return err
	}
	rest, err := p.parseBody(b[HeaderLen:])
	if err != nil {
		return err
	}
	if flags&flagOptions != 0 {
		if rest, err = p.parseOptions(rest); err != nil {
			return err
		}
	}
	if len(rest) != int(be.Uint16(b[14:])) {
		return BadLength
	}
	p.Payload = rest
	return nil
}
