package pgm

import (
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// packPrefix is the length in octets that stands before each message of a
// packed APDU:
//
//	+--------+---------+--------+---------+
//	| length | message | length | message | ...
//	+--------+---------+--------+---------+
//	 2 octets           2 octets
const packPrefix = 2

// appendPacked adds one message to a packed APDU.
func appendPacked(b, m []byte) []byte {
	return append(be.AppendUint16(b, uint16(len(m))), m...)
}

// unpack cuts the first message off a packed APDU; ok is false when the APDU
// is not a packed one.
func unpack(b []byte) (m, rest []byte, ok bool) {
	if len(b) < packPrefix {
		return nil, nil, false
	}
	n := packPrefix + int(be.Uint16(b))
	if n > len(b) {
		return nil, nil, false
	}
	return b[packPrefix:n:n], b[n:], true
}

// tryPack adds a message to the packet that waits, if there is one with room.
// Rate and flow control were asked when that packet was begun.
// It returns the number that the packet will get.
func (s *Sender) tryPack(m []byte) (packet.Seq, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.packed) == 0 || len(s.packed)+packPrefix+len(m) > s.payload(false) {
		return 0, false
	}
	s.packed = appendPacked(s.packed, m)
	s.stats.Messages++
	return s.w.Next(), true
}

// closePack makes the packed messages that wait into packets.
func (s *Sender) closePack(now window.Instant) {
	if len(s.packed) > 0 {
		s.push(now, s.packed)
		s.packed = s.packed[:0]
	}
}
