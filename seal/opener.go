package seal

import (
	"crypto/cipher"
	"slices"
	"sync"
)

// Opener opens what the nodes of a cluster send, and refuses replays. Several
// goroutines may use it, and all readers of one session should: a datagram that
// was heard on one path is then a replay on every other.
//
// It remembers at most two sessions and 8 retired ones of each of the
// 256 slots, of those that hold the key. Nothing is remembered of a datagram that did not open.
//
// Refusing a forged datagram costs one GCM where it claims a session that is
// known (0.2 µs for 128 bytes on a server's core, no garbage), and a key derivation
// as well where it claims one that is not (2 µs and 2 KiB of garbage).
type Opener struct {
	mu      sync.Mutex
	ring    *Ring
	senders [256]sessions // by slot
	refused [refusals]uint64
}

// NewOpener returns an opener that knows no session yet.
func NewOpener(ring *Ring) *Opener { return &Opener{ring: ring} }

// Use opens with the keys of ring from now on. Sessions and their replay windows
// stay.
func (o *Opener) Use(ring *Ring) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ring = ring
	for i := range o.senders {
		o.senders[i].forgetCiphers()
	}
}

// Open appends the payload of a datagram to dst. It allocates only for the first
// datagram of a session under a key, and where dst has no room. To open in
// place, pass datagram[HeaderSize:HeaderSize]; otherwise the two must not
// overlap.
//
// The error is a [Refusal]. The header then holds what the datagram claims, so
// that a foreign cluster, key or version can be named; nothing of it is proved.
func (o *Opener) Open(dst, datagram []byte) (Header, []byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	header, payload, refusal := o.open(dst, datagram)
	if refusal != 0 {
		o.refused[refusal]++
		return header, nil, refusal
	}
	return header, payload, nil
}

// open does the work of Open, in the order of the Refusals.
func (o *Opener) open(dst, datagram []byte) (Header, []byte, Refusal) {
	header, refusal := parseHeader(datagram)
	if refusal != 0 {
		return header, nil, refusal
	}
	key, refusal := o.admit(header)
	if refusal != 0 {
		return header, nil, refusal
	}
	known := o.senders[header.Sender].find(header.Session)
	if known != nil {
		if refusal := known.window.check(header.Counter); refusal != 0 {
			return header, nil, refusal
		}
	}
	aead := o.cipher(known, key, header)
	aad := datagram[:HeaderSize]
	payload, err := aead.Open(dst, aad[atNonce:], datagram[HeaderSize:], aad)
	if err != nil {
		return header, nil, ErrForged
	}
	o.remember(known, key, aead, header)
	return header, payload, 0
}

// admit refuses what the clear header alone gives away, and finds the key.
func (o *Opener) admit(header Header) (key int, refusal Refusal) {
	if header.Cluster != o.ring.cluster {
		return 0, ErrCluster
	}
	if key = o.ring.index(header.KeyID); key < 0 {
		return 0, ErrKey
	}
	if slices.Contains(o.senders[header.Sender].retired, header.Session) {
		return 0, ErrRetired
	}
	return key, 0
}

// cipher returns the cipher that a datagram claims, derived where it must be.
func (o *Opener) cipher(known *session, key int, header Header) cipher.AEAD {
	if known != nil && known.aead[key] != nil {
		return known.aead[key]
	}
	return o.ring.derive(key, header.Sender, header.Session)
}

// remember notes a datagram that has opened. A session heard for the first time
// takes the newcomer's place, never that of the live one.
func (o *Opener) remember(known *session, key int, aead cipher.AEAD, header Header) {
	if known == nil {
		known = &session{id: header.Session}
		known.window.start(header.Counter)
		o.senders[header.Sender].newcomer = known
	}
	known.aead[key] = aead
	known.window.mark(header.Counter)
}

// Confirm says that the caller has proof that a session of a sender is its
// present life: a message of it that echoes the caller's own present session.
// The session that was confirmed before is retired. Confirm reports false where
// the session is not known, since it has never opened or another newcomer has
// displaced it; the next datagram of it brings it back.
func (o *Opener) Confirm(sender uint8, session uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.senders[sender].confirm(session)
}

// Retire refuses a session of a sender from now on, known or not. The last 8 of
// each sender are remembered.
func (o *Opener) Retire(sender uint8, session uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.senders[sender].retire(session)
}

// Refused returns how many datagrams were refused for this reason.
func (o *Opener) Refused(reason Refusal) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if reason >= refusals {
		return 0
	}
	return o.refused[reason]
}
