package packet

import (
	"encoding/binary"
	"net/netip"
)

// Option is the code of an option extension (RFC 3208 section 9).
type Option uint8

// The options. Parity, DLR and congestion options are read and written but
// nothing in this module acts on them.
const (
	OptLength          Option = 0x00 // section 9.1
	OptFragment        Option = 0x01 // section 9.2
	OptNAKList         Option = 0x02 // section 9.3
	OptJoin            Option = 0x03 // section 9.4
	OptNAKBackOffIvl   Option = 0x04 // section 15
	OptNAKBackOffRange Option = 0x05 // section 15
	OptRedirect        Option = 0x07 // section 9.5
	OptParityParams    Option = 0x08 // section 11
	OptParityGroup     Option = 0x09 // section 11
	OptCurrGroupSize   Option = 0x0A // section 11
	OptNbrUnreachable  Option = 0x0B // section 7
	OptPathNLA         Option = 0x0C // section 7
	OptSYN             Option = 0x0D // section 9.6
	OptFIN             Option = 0x0E // section 9.7
	OptRST             Option = 0x0F // section 9.8
	OptCongestion      Option = 0x10 // section 12
	OptCongestionQuery Option = 0x11 // section 12
	OptCCData          Option = 0x12 // PGMCC
	OptCCFeedback      Option = 0x13 // PGMCC
)

// MaxOptions is how many options one packet may carry, OPT_LENGTH included.
const MaxOptions = 16

// MaxNAKList is how many numbers OPT_NAK_LIST may carry; with the one in the
// body a NAK asks for up to 63.
const MaxNAKList = 62

// Bit returns the option's place in a set such as Options.Has.
func (o Option) Bit() uint32 { return 1 << o }

// networkSignificant are the options that network elements must see, for
// which the header's second flag is set.
var networkSignificant = OptNAKList.Bit() | OptNAKBackOffIvl.Bit() | OptNAKBackOffRange.Bit() |
	OptRedirect.Bit() | OptParityParams.Bit() | OptCurrGroupSize.Bit() | OptNbrUnreachable.Bit() |
	OptPathNLA.Bit() | OptCongestion.Bit() | OptCongestionQuery.Bit()

// Options are a packet's option extensions. Has tells which are there; a field
// whose option is not in Has is zero and is not written.
type Options struct {
	Has uint32 // set of Option.Bit

	Fragment   Fragment
	NAKList    []Seq // further numbers wanted, oldest first
	Join       Seq   // oldest number a late joiner may ask for
	BackOffIvl BackOffInterval
	BackOffRng BackOffRange
	Redirect   netip.Addr // address of a designated local repairer
	Parity     ParityParams
	Group      uint32 // parity group number
	GroupSize  uint32 // actual size of a short last group
	PathNLA    netip.Addr
	ResetCode  uint8  // why the session ended, 6 bits
	Congestion []byte // body of OPT_CR as it came, aliases what was parsed
	CCData     CongestionControl
	CCFeedback CongestionControl
}

// Fragment places a packet's payload in its application message, the APDU.
type Fragment struct {
	First  Seq    // number of the APDU's first packet
	Offset uint32 // of this payload, in octets
	Length uint32 // of the whole APDU, in octets
}

// BackOffInterval is OPT_NAK_BO_IVL.
type BackOffInterval struct {
	Micros uint32
	Seq    Seq // of the interval
}

// BackOffRange is OPT_NAK_BO_RNG, in microseconds. On the wire the maximum
// comes first, as OpenPGM has it.
type BackOffRange struct{ Max, Min uint32 }

// ParityParams is OPT_PARITY_PRM. The two lowest flags mean pro-active and
// on-demand parity; implementations differ on which is which.
type ParityParams struct {
	Flags     uint8
	GroupSize uint32 // packets in a transmission group
}

// CongestionControl is the body of both PGMCC options.
type CongestionControl struct {
	Timestamp uint32 // milliseconds
	Loss      uint16 // loss rate, feedback only
	Address   netip.Addr
}

// With adds o to the options present.
func (o *Options) With(opt Option) *Options {
	o.Has |= opt.Bit()
	return o
}

// Contains reports whether the option is present.
func (o *Options) Contains(opt Option) bool { return o.Has&opt.Bit() != 0 }

// Len returns the octets the options take in a packet.
func (o *Options) Len() int {
	var room [512]byte // the options' longest form is 476 octets; OPT_CR may push it further
	return len(o.append(room[:0]))
}

const lastOption = 0x80 // marks the last option of a packet

// append adds OPT_LENGTH and the options present, in the order of their codes.
func (o *Options) append(b []byte) []byte {
	if o.Has == 0 {
		return b
	}
	start, last := len(b), 0
	b = append(b, byte(OptLength), 4, 0, 0)
	for opt := OptFragment; opt <= OptCCFeedback; opt++ {
		if !o.Contains(opt) {
			continue
		}
		last = len(b)
		b = append(b, byte(opt), 0, 0, 0)
		b = o.appendOption(b, opt)
		b[last+1] = byte(len(b) - last)
	}
	if last == 0 {
		last = start
	}
	b[last] |= lastOption
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return b
}

// appendOption adds one option's body; its last octet of header is b's last.
func (o *Options) appendOption(b []byte, opt Option) []byte {
	be := binary.BigEndian
	own := &b[len(b)-1] // the octet that belongs to the option
	switch opt {
	case OptFragment:
		b = be.AppendUint32(b, uint32(o.Fragment.First))
		b = be.AppendUint32(b, o.Fragment.Offset)
		return be.AppendUint32(b, o.Fragment.Length)
	case OptNAKList:
		for _, s := range o.NAKList[:min(len(o.NAKList), MaxNAKList)] {
			b = be.AppendUint32(b, uint32(s))
		}
		return b
	case OptJoin:
		return be.AppendUint32(b, uint32(o.Join))
	case OptNAKBackOffIvl:
		return be.AppendUint32(be.AppendUint32(b, o.BackOffIvl.Micros), uint32(o.BackOffIvl.Seq))
	case OptNAKBackOffRange:
		return be.AppendUint32(be.AppendUint32(b, o.BackOffRng.Max), o.BackOffRng.Min)
	case OptRedirect:
		return appendAddr(b, o.Redirect)
	case OptParityParams:
		*own = o.Parity.Flags
		return be.AppendUint32(b, o.Parity.GroupSize)
	case OptParityGroup:
		return be.AppendUint32(b, o.Group)
	case OptCurrGroupSize:
		return be.AppendUint32(b, o.GroupSize)
	case OptPathNLA:
		return appendAddr(b, o.PathNLA)
	case OptRST:
		*own = o.ResetCode & resetMask
		return b
	case OptCongestion:
		return append(b, o.Congestion[:min(len(o.Congestion), 251)]...)
	case OptCCData:
		return o.CCData.append(b)
	case OptCCFeedback:
		return o.CCFeedback.append(b)
	}
	return b
}

// resetMask keeps the six bits of OPT_RST's error code.
const resetMask = 0x3F

// append adds timestamp, family, loss rate and address.
func (c CongestionControl) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, c.Timestamp)
	at := len(b)
	b = appendAddr(b, c.Address)
	binary.BigEndian.PutUint16(b[at+2:], c.Loss)
	return b
}
