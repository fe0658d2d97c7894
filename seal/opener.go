package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"sync"
)

// Opener opens what the nodes of a cluster send of one kind, and refuses
// replays. Several goroutines may use it, and all readers of one stream should:
// a datagram that was heard on one path is then a replay on every other.
//
// It remembers a bounded number of sessions of each of the 256 slots, see
// [Opener.Confirm]. A datagram that does not open leaves nothing behind, costs
// no garbage and no key derivation: a header that was not made with the cluster
// key is refused by its own tag.
type Opener struct {
	mu      sync.Mutex
	ring    *Ring
	kind    Kind
	senders [256]sessions // by slot
	refused [refusals]uint64
	scratch [aes.BlockSize]byte
}

// NewOpener returns an opener that knows no session yet.
func NewOpener(ring *Ring, kind Kind) *Opener { return &Opener{ring: ring, kind: kind} }

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

// Open appends the payload of a datagram to dst, which must not overlap with it.
// It allocates only for the first datagram of a session under a key, and where
// dst has no room.
//
// The error is a [Refusal]. The header then holds what the datagram claims, so
// that a foreign cluster, key or version can be named; nothing of it is proved.
func (o *Opener) Open(dst, datagram []byte) (Header, []byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count(o.open(dst, datagram, false))
}

// OpenInPlace opens a datagram where it is. The payload lies in the datagram's
// array, which a datagram that does not open may have lost.
func (o *Opener) OpenInPlace(datagram []byte) (Header, []byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.count(o.open(nil, datagram, true))
}

// count counts a refusal and makes it the error.
func (o *Opener) count(header Header, payload []byte, refusal Refusal) (Header, []byte, error) {
	if refusal == 0 {
		return header, payload, nil
	}
	o.refused[refusal]++
	return header, nil, refusal
}

// open does the work of Open, in the order of the Refusals: the cheap checks
// come first, and none changes what is remembered.
func (o *Opener) open(dst, datagram []byte, inPlace bool) (Header, []byte, Refusal) {
	header, refusal := parseHeader(datagram)
	if refusal != 0 && refusal != ErrOldVersion {
		return header, nil, refusal
	}
	if header.Cluster != o.ring.cluster {
		return header, nil, ErrCluster
	}
	if refusal != 0 {
		return header, nil, refusal
	}
	key, known, refusal := o.admit(header)
	if refusal != 0 {
		return header, nil, refusal
	}
	clear := datagram[:header.Length]
	if !o.ring.keys[key].header.verify(clear, o.scratch[:]) {
		return header, nil, ErrForged
	}
	if inPlace {
		dst = datagram[header.Length:header.Length]
	}
	aead := o.cipher(known, key, header.Stream)
	payload, err := aead.Open(dst, clear[atNonce:atNonce+nonceSize], datagram[header.Length:], clear)
	if err != nil {
		return header, nil, ErrForged
	}
	o.remember(known, key, aead, header)
	return header, payload, 0
}

// admit refuses what the clear header alone gives away, and finds the key and
// the session.
func (o *Opener) admit(header Header) (key int, known *session, refusal Refusal) {
	if header.Kind != o.kind {
		return 0, nil, ErrKind
	}
	if key = o.ring.index(header.KeyID); key < 0 {
		return 0, nil, ErrKey
	}
	sender := &o.senders[header.Sender]
	if known = sender.find(header.Session, header.Start); known != nil {
		return key, known, known.window.check(header.Counter)
	}
	return key, nil, sender.refuses(header.Session, header.Start)
}

// cipher returns the cipher that a datagram claims, derived where it must be.
func (o *Opener) cipher(known *session, key int, stream Stream) cipher.AEAD {
	if known != nil && known.aead[key] != nil {
		return known.aead[key]
	}
	return o.ring.derive(key, stream)
}

// remember notes a datagram that has opened.
func (o *Opener) remember(known *session, key int, aead cipher.AEAD, header Header) {
	sender := &o.senders[header.Sender]
	if known == nil {
		known = &session{id: header.Session, start: header.Start}
		known.window.start(header.Counter)
		sender.add(known)
	}
	sender.touch(known)
	known.aead[key] = aead
	known.window.mark(header.Counter)
}

// Confirm says that the caller has proof that a session of a sender is its
// present one: a message of it that echoes the caller's own present session.
// The session that was confirmed before is retired, and from now on sessions
// with a lower start counter are refused by their header. Confirm reports false
// where the session is not known: it has never opened, or one with a greater
// start has opened since.
//
// Until then a session is pending: it opens, and the caller must let it change
// nothing. Of the pending sessions of a sender the one with the greatest start
// is kept, and lower ones are refused. So recordings of earlier sessions can't
// displace what is newer, nor each other in turns. A sender that does not know
// its start counter seals with 0: it is never refused for it, has one of four
// places, and raises nothing when it is confirmed.
func (o *Opener) Confirm(sender uint8, session uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.senders[sender].confirm(session)
}

// Remember sets what an earlier Opener knew: the greatest start counter of a
// confirmed session of the sender. It never lowers it.
func (o *Opener) Remember(sender uint8, start uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &o.senders[sender]
	s.bar = max(s.bar, start)
}

// Confirmed returns the greatest start counter of a confirmed session of the
// sender, which is to be kept for [Opener.Remember]; 0 if there is none.
func (o *Opener) Confirmed(sender uint8) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.senders[sender].bar
}

// Least returns the start counter below which sessions of the sender are
// refused, confirmed or not. A node that is told a Least above its own start
// must begin a new session above it, or it is not heard.
func (o *Opener) Least(sender uint8) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.senders[sender].least()
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
