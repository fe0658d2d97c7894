package packet

import (
	"encoding/binary"
	"math/bits"
)

// sum adds b as 16-bit words in ones' complement and folds the result to 16
// bits. It adds eight octets at a time: in ones' complement the width does
// not change the result.
func sum(b []byte) uint16 {
	var s, carry uint64
	for len(b) >= 32 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[8:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[16:]), carry)
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		s, carry = bits.Add64(s, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	s, carry = bits.Add64(s, binary.BigEndian.Uint64(tail[:]), carry)
	return fold(s, carry)
}

// fold brings a 64-bit ones' complement sum and its carry to 16 bits.
func fold(s, carry uint64) uint16 {
	s = s>>32 + s&0xFFFFFFFF + carry
	for s > 0xFFFF {
		s = s>>16 + s&0xFFFF
	}
	return uint16(s)
}

// Seal writes the right checksum into the packet b, at least HeaderLen long.
// A result of zero is written as 0xFFFF: zero means "none" (section 8).
func Seal(b []byte) {
	b[checksumOffset], b[checksumOffset+1] = 0, 0
	c := ^sum(b)
	if c == 0 {
		c = 0xFFFF
	}
	binary.BigEndian.PutUint16(b[checksumOffset:], c)
}

// checkSum returns BadChecksum or NoChecksum when the packet must not be used.
func checkSum(t Type, b []byte) error {
	switch {
	case b[checksumOffset] == 0 && b[checksumOffset+1] == 0:
		if t.Data() {
			return NoChecksum
		}
	case sum(b) != 0xFFFF:
		return BadChecksum
	}
	return nil
}

// Repair turns the ODATA or RDATA in b, at least DataHeaderLen long, into the
// RDATA that answers a NAK now: type and trail change (section 8.2), and OPT_JOIN,
// which must not lie before the trail (section 9.4); all else stays.
func Repair(b []byte, trail Seq) {
	patch16(b, TypeOffset, uint16(RDATA)<<8|uint16(b[TypeOffset+1]))
	SetTrail(b, trail)
}

// SetTrail writes the trail of now into the ODATA or RDATA in b, and into an OPT_JOIN that
// lies before it.
func SetTrail(b []byte, trail Seq) {
	be := binary.BigEndian
	if Seq(be.Uint32(b[trailOffset:])) != trail {
		patch32(b, trailOffset, uint32(trail))
	}
	if at := joinOffset(b); at > 0 && Seq(be.Uint32(b[at:])).Before(trail) {
		patch32(b, at, uint32(trail))
	}
}

// joinOffset finds the number in OPT_JOIN, 0 without one. The options are our own: in the
// order of their codes, at even offsets.
func joinOffset(b []byte) int {
	if b[5]&flagOptions == 0 || len(b) < DataHeaderLen+4 {
		return 0
	}
	end := min(len(b), DataHeaderLen+int(binary.BigEndian.Uint16(b[DataHeaderLen+2:])))
	for at := DataHeaderLen; at+4 <= end && b[at+1] >= 4; at += int(b[at+1]) {
		if Option(b[at]&^lastOption) == OptJoin && at+8 <= end {
			return at + 4
		}
	}
	return 0
}

// patch32 changes a field of 32 bits, and the checksum by the difference (RFC 1624)
// instead of summing again.
func patch32(b []byte, at int, v uint32) {
	patch16(b, at, uint16(v>>16))
	patch16(b, at+2, uint16(v))
}

// patch16 changes the 16 bits at an even offset, and the checksum: RFC 1624 equation 3,
// HC' = ~(~HC + ~m + m').
func patch16(b []byte, at int, v uint16) {
	be := binary.BigEndian
	old := be.Uint16(b[at:])
	be.PutUint16(b[at:], v)
	c := ^fold(uint64(^be.Uint16(b[checksumOffset:]))+uint64(^old)+uint64(v), 0)
	if c == 0 {
		c = 0xFFFF
	}
	be.PutUint16(b[checksumOffset:], c)
}
