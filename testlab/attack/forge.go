package attack

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/rand/v2"

	"vipd/seal"
)

// Forgery is a way to make a datagram that no node has sent.
type Forgery struct {
	Name string
	make func(r *rand.Rand, payload []byte) []byte // of a payload that may be changed
}

// Where the header's fields begin that package seal keeps to itself; a stranger reads
// docs/wire.md.
const (
	atStart   = 12
	atSession = 20
	atSalt    = 28
	atCounter = 32
)

// Forgeries are the ways that this package knows. Of most the header stands as a node
// would have written it, so that the socket filter lets it pass.
var Forgeries = []Forgery{
	{"a flipped bit", func(r *rand.Rand, p []byte) []byte { return flipped(r, p, seal.HeaderSize) }},
	{"a flipped bit in the header", func(r *rand.Rand, p []byte) []byte { return flipped(r, p[:seal.HeaderSize], 0) }},
	{"another payload", func(r *rand.Rand, p []byte) []byte { fill(r, p[seal.HeaderSize:]); return p }},
	{"another session", func(r *rand.Rand, p []byte) []byte { fill(r, p[atSession:atSession+8]); return p }},
	{"a later start", func(r *rand.Rand, p []byte) []byte { return added(p, atStart, r.Uint64N(1<<20)+1) }},
	{"the last start of all", func(_ *rand.Rand, p []byte) []byte { return filled(p, atStart, 0xff) }},
	{"no start", func(_ *rand.Rand, p []byte) []byte { return filled(p, atStart, 0) }},
	{"a later counter", func(r *rand.Rand, p []byte) []byte { return added(p, atCounter, r.Uint64N(1<<40)+1) }},
	{"all of the header but names", func(r *rand.Rand, p []byte) []byte { fill(r, p[atStart:]); return p }},
	{"another sender", func(r *rand.Rand, p []byte) []byte { p[seal.AtSender] = byte(r.Uint32()); return p }},
	{"another key", func(r *rand.Rand, p []byte) []byte { fill(r, p[seal.AtKeyID:seal.AtKeyID+4]); return p }},
	{"another cluster", func(r *rand.Rand, p []byte) []byte { fill(r, p[seal.AtCluster:seal.AtCluster+4]); return p }},
	{"another kind", func(r *rand.Rand, p []byte) []byte { p[seal.AtKind] = byte(r.Uint32()); return p }},
	{"another version", func(r *rand.Rand, p []byte) []byte { p[seal.AtVersion] = byte(r.Uint32()); return p }},
	{"a longer header", func(r *rand.Rand, p []byte) []byte { p[seal.AtLength] = byte(r.Uint32()); return p }},
	{"cut short", func(r *rand.Rand, p []byte) []byte { return p[:r.IntN(len(p))] }},
	{"too long", func(r *rand.Rand, p []byte) []byte {
		more := make([]byte, 1400-len(p))
		fill(r, more)
		return append(p, more...)
	}},
	{"junk", func(r *rand.Rand, p []byte) []byte { p = p[:r.IntN(len(p))]; fill(r, p); return p }},
}

func fill(r *rand.Rand, octets []byte) {
	for i := range octets {
		octets[i] = byte(r.Uint32())
	}
}

func filled(p []byte, at int, with byte) []byte {
	for i := range 8 {
		p[at+i] = with
	}
	return p
}

// flipped changes one bit from the octet at on.
func flipped(r *rand.Rand, p []byte, at int) []byte {
	bit := r.IntN(8 * (len(p) - at))
	p[at+bit/8] ^= 1 << (bit % 8)
	return p
}

// added makes a number of eight octets greater.
func added(p []byte, at int, more uint64) []byte {
	binary.BigEndian.PutUint64(p[at:], binary.BigEndian.Uint64(p[at:])+more)
	return p
}

// Forge makes a frame of the sample's sender and receivers with a datagram forged in
// that way; false if the sample is no sealed datagram.
func (f Forgery) Forge(r *rand.Rand, sample []byte) (frame []byte, ok bool) {
	if payload, ok := inFrame(sample); ok {
		if len(payload) <= seal.Overhead || len(payload) > 1300 {
			return nil, false
		}
		return append(bytes.Clone(sample[:ethernetSize]), f.make(r, bytes.Clone(payload))...), true
	}
	p, ok := parseUDP(sample)
	if !ok || len(p.payload) <= seal.Overhead || len(p.payload) > 1300 {
		return nil, false
	}
	return rewrite(sample, p, f.make(r, bytes.Clone(p.payload))), true
}

// rewrite puts another payload into a frame: lengths and checksums are right.
func rewrite(sample []byte, p udp, payload []byte) []byte {
	frame := append(bytes.Clone(sample[:p.at]), payload...)
	packet, header := frame[ethernetSize:], frame[p.at-udpSize:]
	binary.BigEndian.PutUint16(header[4:], uint16(len(header)))
	binary.BigEndian.PutUint16(header[6:], 0)
	if p.source.Is4() {
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
		binary.BigEndian.PutUint16(packet[10:], 0)
		binary.BigEndian.PutUint16(packet[10:], checksum(0, packet[:ipv4Size]))
		return frame // without a checksum of its own, which IPv4 allows (RFC 768)
	}
	binary.BigEndian.PutUint16(packet[4:], uint16(len(header)))
	sum := uint32(len(header)) + 17
	pseudo := append(p.source.AsSlice(), p.destination.AsSlice()...)
	sum += uint32(^checksum(0, pseudo))
	binary.BigEndian.PutUint16(header[6:], checksum(sum, header))
	return frame
}

// checksum is that of RFC 1071, begun with a sum.
func checksum(sum uint32, octets []byte) uint16 {
	for i := 0; i+1 < len(octets); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(octets[i:]))
	}
	if len(octets)%2 == 1 {
		sum += uint32(octets[len(octets)-1]) << 8
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// Forged yields forgeries of the recording without end, each way in turn, so many of
// them as are given or all; a seed makes them the same again.
func (r Recording) Forged(seed uint64, ways ...Forgery) iter.Seq[[]byte] {
	if len(ways) == 0 {
		ways = Forgeries
	}
	random := rand.New(rand.NewPCG(seed, 0))
	return func(yield func([]byte) bool) {
		for i, none := 0, 0; none < len(r); i++ {
			frame, ok := ways[i%len(ways)].Forge(random, r[random.IntN(len(r))].Octets)
			if !ok {
				none++
				continue
			}
			none = 0
			if !yield(frame) {
				return
			}
		}
	}
}
