package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync/atomic"
	"time"
)

// Sealer seals what one node sends in one stream. Several goroutines may use
// it: they share its counter.
//
// There must be one Sealer only for a stream: a second one would count from 1
// again. So each start and each Sealer draws its own [NewSession].
type Sealer struct {
	stream  Stream
	counter atomic.Uint64
	active  atomic.Pointer[activeKey]
}

// activeKey is what a Sealer seals with at the moment.
type activeKey struct {
	id      KeyID
	cluster uint32
	header  *headerKey
	aead    cipher.AEAD
}

// NewSealer returns the sealer of one stream.
func NewSealer(ring *Ring, stream Stream) *Sealer {
	s := &Sealer{stream: stream}
	s.Use(ring)
	return s
}

// Use seals with the active key of ring from now on. The stream stays and its
// counter goes on, so going back to an earlier key uses no nonce twice.
func (s *Sealer) Use(ring *Ring) {
	s.active.Store(&activeKey{
		id:      ring.keys[0].id,
		cluster: ring.cluster,
		header:  ring.keys[0].header,
		aead:    ring.derive(0, s.stream),
	})
}

// Stream returns what the Sealer seals.
func (s *Sealer) Stream() Stream { return s.stream }

// Seal appends the sealed payload to dst: [Overhead] octets more than the
// payload has. It allocates only where dst has no room. The payload must not
// lie in the room behind dst. The counter can't run out: 2^64 datagrams at a
// million a second last half a million years.
func (s *Sealer) Seal(dst, payload []byte) []byte { return s.seal(dst, payload, nil, newSalt()) }

// seal seals with a salt and under a header with additions.
func (s *Sealer) seal(dst, payload, additions []byte, salt uint32) []byte {
	key := s.active.Load()
	header := Header{
		Version: Version,
		Length:  uint8(HeaderSize + len(additions)),
		Stream:  s.stream,
		Cluster: key.cluster,
		KeyID:   key.id,
		Counter: s.counter.Add(1),
	}
	start := len(dst)
	dst = slices.Grow(dst, Overhead+len(additions)+len(payload))
	dst = header.append(dst, salt, additions)
	clear := dst[start:]
	key.header.sign(clear, dst[len(dst):len(dst)+aes.BlockSize]) // there is room for GCM's tag, which is a block
	return key.aead.Seal(dst, clear[atNonce:atNonce+nonceSize], payload, clear)
}

// newSalt draws the part of a nonce that keeps it from being used twice where a
// machine was copied with its memory: both copies have the same stream and
// counter. The kernel's random source differs in the copies from its next
// reseeding on, at once where the kernel is told of the copy; the time differs
// by how long each of them was held.
func newSalt() uint32 {
	var drawn [4]byte
	rand.Read(drawn[:])
	return binary.BigEndian.Uint32(drawn[:]) ^ uint32(time.Now().UnixNano())
}
