package seal

import (
	"crypto/cipher"
	"slices"
	"sync/atomic"
)

// Sealer seals what one node sends in one session. Several goroutines may use
// it: they share its counter.
//
// There must be one Sealer only for a (sender, session): a second one would
// count from 1 again and use nonces twice, which breaks GCM. So each start and
// each Sealer draws its own [NewSession].
type Sealer struct {
	sender  uint8
	session uint64
	counter atomic.Uint64
	active  atomic.Pointer[activeKey]
}

// activeKey is what a Sealer seals with at the moment.
type activeKey struct {
	id      KeyID
	cluster uint32
	aead    cipher.AEAD
}

// NewSealer returns the sealer of a node's slot for one session.
func NewSealer(ring *Ring, sender uint8, session uint64) *Sealer {
	s := &Sealer{sender: sender, session: session}
	s.Use(ring)
	return s
}

// Use seals with the active key of ring from now on. The session stays and its
// counter goes on, so going back to an earlier key uses no nonce twice.
func (s *Sealer) Use(ring *Ring) {
	s.active.Store(&activeKey{
		id:      ring.keys[0].id,
		cluster: ring.cluster,
		aead:    ring.derive(0, s.sender, s.session),
	})
}

// Session returns the session under which the Sealer seals.
func (s *Sealer) Session() uint64 { return s.session }

// Seal appends the sealed payload to dst: [Overhead] bytes more than the
// payload has. It allocates only where dst has no room. The payload must not
// lie in the room behind dst. The counter can't run out: 2^64 datagrams at a
// million a second last half a million years.
func (s *Sealer) Seal(dst, payload []byte) []byte {
	key := s.active.Load()
	header := Header{
		Version: Version,
		KeyID:   key.id,
		Cluster: key.cluster,
		Sender:  s.sender,
		Session: s.session,
		Counter: s.counter.Add(1),
	}
	start := len(dst)
	dst = header.append(slices.Grow(dst, Overhead+len(payload)))
	aad := dst[start:]
	return key.aead.Seal(dst, aad[atNonce:], payload, aad)
}
