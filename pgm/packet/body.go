package packet

import (
	"encoding/binary"
	"net/netip"
)

// appendBody adds what lies between the common header and the options
// (sections 8.1 to 8.3, 13 and 14).
func (p *Packet) appendBody(b []byte) []byte {
	be := binary.BigEndian
	if p.Type == SPMR {
		return b
	}
	b = be.AppendUint32(b, uint32(p.Seq))
	switch p.Type {
	case SPM:
		b = be.AppendUint32(b, uint32(p.Trail))
		b = be.AppendUint32(b, uint32(p.Lead))
		b = appendAddr(b, p.Path)
	case ODATA, RDATA:
		b = be.AppendUint32(b, uint32(p.Trail))
	case NAK, NNAK, NCF:
		b = appendAddr(b, p.Source)
		b = appendAddr(b, p.Group)
	case POLL:
		b = be.AppendUint16(b, p.Poll.Round)
		b = be.AppendUint16(b, p.Poll.SubType)
		b = appendAddr(b, p.Path)
		b = be.AppendUint32(b, p.Poll.BackOff)
		b = be.AppendUint32(b, p.Poll.Random)
		b = be.AppendUint32(b, p.Poll.Mask)
	case POLR:
		b = be.AppendUint16(b, p.Poll.Round)
		b = append(b, 0, 0)
	case ACK:
		b = be.AppendUint32(b, p.Bitmap)
	}
	return b
}

// parseBody reads the body and returns what follows it.
func (p *Packet) parseBody(b []byte) ([]byte, error) {
	c := cursor{b: b}
	switch p.Type {
	case SPM:
		p.Seq, p.Trail, p.Lead = c.seq(), c.seq(), c.seq()
		p.Path = c.addr()
	case ODATA, RDATA:
		p.Seq, p.Trail = c.seq(), c.seq()
	case NAK, NNAK, NCF:
		p.Seq, p.Source, p.Group = c.seq(), c.addr(), c.addr()
		if c.fault == nil && p.Source.Is4() != p.Group.Is4() {
			return nil, BadAddress
		}
	case POLL:
		p.Seq, p.Poll.Round, p.Poll.SubType = c.seq(), c.u16(), c.u16()
		p.Path = c.addr()
		p.Poll.BackOff, p.Poll.Random, p.Poll.Mask = c.u32(), c.u32(), c.u32()
	case POLR:
		p.Seq, p.Poll.Round = c.seq(), c.u16()
		c.u16()
	case ACK:
		p.Seq, p.Bitmap = c.seq(), c.u32()
	case SPMR:
	default:
		return nil, BadType
	}
	return c.b, c.fault
}

// Address families (section 8.1).
const (
	familyIPv4 = 1
	familyIPv6 = 2
)

// appendAddr adds a network layer address: family, reserved, address.
func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is6() && !a.Is4In6() {
		b = append(b, 0, familyIPv6, 0, 0)
		a16 := a.As16()
		return append(b, a16[:]...)
	}
	b = append(b, 0, familyIPv4, 0, 0)
	if !a.IsValid() {
		return append(b, 0, 0, 0, 0)
	}
	a4 := a.Unmap().As4()
	return append(b, a4[:]...)
}

// cursor reads fields in order; after the first fault all it reads is zero.
type cursor struct {
	b     []byte
	fault error
}

// take returns the next n octets, or nil after setting the fault.
func (c *cursor) take(n int) []byte {
	if c.fault != nil || len(c.b) < n {
		if c.fault == nil {
			c.fault = Short
		}
		return nil
	}
	t := c.b[:n]
	c.b = c.b[n:]
	return t
}

func (c *cursor) u16() uint16 {
	if t := c.take(2); t != nil {
		return binary.BigEndian.Uint16(t)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if t := c.take(4); t != nil {
		return binary.BigEndian.Uint32(t)
	}
	return 0
}

func (c *cursor) seq() Seq { return Seq(c.u32()) }

func (c *cursor) addr() netip.Addr {
	family := c.u16()
	c.u16() // reserved
	switch {
	case c.fault != nil:
	case family == familyIPv4:
		if t := c.take(4); t != nil {
			return netip.AddrFrom4([4]byte(t))
		}
	case family == familyIPv6:
		if t := c.take(16); t != nil {
			return netip.AddrFrom16([16]byte(t)).Unmap()
		}
	default:
		c.fault = BadAddress
	}
	return netip.Addr{}
}
