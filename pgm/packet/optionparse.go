package packet

import "encoding/binary"

// What to do with a packet whose option is not known (section 9, OPX).
const (
	opxMask    = 0x03
	opxDiscard = 0x02 // the whole packet
)

// parseOptions reads OPT_LENGTH and what follows it, and returns the octets
// after the options. Each step goes at least four octets forward, so no
// lengths can make it loop.
func (p *Packet) parseOptions(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, Short
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	if Option(b[0]&^lastOption) != OptLength || b[1] != 4 || total < 4 {
		return nil, BadOption
	}
	if total > len(b) {
		return nil, OptionOverrun
	}
	opts, rest := b[4:total], b[total:]
	last := b[0]&lastOption != 0
	for n := 1; !last; n++ {
		if n == MaxOptions {
			return nil, TooManyOptions
		}
		if len(opts) < 4 {
			return nil, OptionOverrun
		}
		length := int(opts[1])
		if length < 4 {
			return nil, BadOption
		}
		if length > len(opts) {
			return nil, OptionOverrun
		}
		if err := p.parseOption(opts[:length]); err != nil {
			return nil, err
		}
		last = opts[0]&lastOption != 0
		opts = opts[length:]
	}
	if len(opts) != 0 {
		return nil, OptionOverrun
	}
	return rest, nil
}

// parseOption reads one option, header included. A second option of the same
// kind replaces the first.
func (p *Packet) parseOption(b []byte) error {
	o := &p.Options
	opt := Option(b[0] &^ lastOption)
	c := cursor{b: b[4:]}
	switch opt {
	case OptFragment:
		o.Fragment = Fragment{c.seq(), c.u32(), c.u32()}
	case OptNAKList:
		if err := p.parseNAKList(c.b); err != nil {
			return err
		}
		c.b = nil
	case OptJoin:
		o.Join = c.seq()
	case OptNAKBackOffIvl:
		o.BackOffIvl = BackOffInterval{c.u32(), c.seq()}
	case OptNAKBackOffRange:
		o.BackOffRng = BackOffRange{c.u32(), c.u32()}
	case OptRedirect:
		o.Redirect = c.addr()
	case OptParityParams:
		o.Parity = ParityParams{b[3], c.u32()}
	case OptParityGroup:
		o.Group = c.u32()
	case OptCurrGroupSize:
		o.GroupSize = c.u32()
	case OptNbrUnreachable, OptSYN, OptFIN, OptCongestionQuery:
	case OptPathNLA:
		o.PathNLA = c.addr()
	case OptRST:
		o.ResetCode = b[3] & resetMask
	case OptCongestion:
		o.Congestion, c.b = c.b, nil
	case OptCCData:
		o.CCData.parse(&c)
	case OptCCFeedback:
		o.CCFeedback.parse(&c)
	default:
		if b[2]&opxMask == opxDiscard {
			return Discard
		}
		return nil
	}
	if c.fault == BadAddress {
		return BadAddress
	}
	if c.fault != nil || len(c.b) != 0 {
		return BadOption
	}
	o.With(opt)
	return nil
}

// parseNAKList reads the numbers into the packet's own memory.
func (p *Packet) parseNAKList(b []byte) error {
	n := len(b) / 4
	if len(b)%4 != 0 || n == 0 || n > MaxNAKList {
		return BadOption
	}
	for i := range n {
		p.list[i] = Seq(binary.BigEndian.Uint32(b[4*i:]))
	}
	p.Options.NAKList = p.list[:n]
	return nil
}

// parse reads timestamp, family, loss rate and address.
func (c *CongestionControl) parse(r *cursor) {
	c.Timestamp = r.u32()
	if len(r.b) >= 4 {
		c.Loss = binary.BigEndian.Uint16(r.b[2:])
	}
	c.Address = r.addr()
}
