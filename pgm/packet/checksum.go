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
// RDATA that answers a NAK now: type and trail change, all else stays (section
// 8.2). The checksum is patched by the difference (RFC 1624) instead of being
// summed again.
func Repair(b []byte, trail Seq) {
	be := binary.BigEndian
	old := words(be.Uint16(b[TypeOffset:]), be.Uint32(b[trailOffset:]))
	b[TypeOffset] = byte(RDATA)
	be.PutUint32(b[trailOffset:], uint32(trail))
	now := words(be.Uint16(b[TypeOffset:]), be.Uint32(b[trailOffset:]))
	// RFC 1624 equation 3: HC' = ~(~HC + ~m + m'), here over three words at once.
	c := ^fold(uint64(^be.Uint16(b[checksumOffset:]))+3*0xFFFF-old+now, 0)
	if c == 0 {
		c = 0xFFFF
	}
	be.PutUint16(b[checksumOffset:], c)
}

// words adds a 16-bit and a 32-bit field as 16-bit words, unfolded.
func words(a uint16, b uint32) uint64 {
	return uint64(a) + uint64(b>>16) + uint64(b&0xFFFF)
}
