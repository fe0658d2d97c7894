package seal

import "encoding/binary"

// Version is the wire version that this package writes, and the only one that
// it opens. Additions need no new version: see [Header].
const Version = 2

// oldVersion is the version whose header is still recognised, to name the node
// that sends it.
const oldVersion = 1

// Kind is what a payload is.
type Kind uint8

// Heartbeat is the only kind so far. Another kind of payload takes the next
// number, and streams and an [Opener] of its own.
const Heartbeat Kind = 1

// Sizes on the wire, in octets.
const (
	HeaderSize = 48                   // the clear part, as this version writes it
	TagSize    = 16                   // GCM's tag
	Overhead   = HeaderSize + TagSize // what sealing adds to a payload
	MaxHeader  = 255                  // the clear part with additions of later programs

	MaxOverhead = MaxHeader + TagSize // what sealing may have added to a payload that is received
)

// Where the fields of the header begin. A socket filter may rely on them.
const (
	AtVersion   = 0
	AtLength    = 1
	AtKind      = 2
	AtSender    = 3
	AtCluster   = 4
	AtKeyID     = 8
	atStart     = 12
	atSession   = 20
	atNonce     = 28 // a salt of 4 octets and the counter
	atCounter   = 32
	atHeaderTag = 40
)

// Sizes of the nonce and of the header's own tag.
const (
	nonceSize     = 12
	headerTagSize = 8
)

// Where the fields of version 1 that name the sender begin.
const (
	oldAtKeyID   = 1
	oldAtCluster = 5
	oldAtSender  = 9
	oldOverhead  = 42
)

// Stream is what one node sends of one kind from one start of its daemon on.
// No two streams may be equal, or a nonce could be used twice.
type Stream struct {
	Kind    Kind
	Sender  uint8  // the node's slot
	Start   uint64 // grows with each start of the node's daemon; 0: the node does not know its own
	Session uint64 // drawn at random by each start, see NewSession
}

// Header is the clear part of a datagram. Until the datagram has opened it is
// only a claim.
//
// A header may be longer than this version's, up to [MaxHeader] octets: what
// follows the known fields is authenticated like them, and skipped.
type Header struct {
	Version uint8
	Length  uint8 // of the header, in octets
	Stream
	Cluster uint32 // see ClusterHash
	KeyID   KeyID
	Counter uint64 // of this stream, from 1
}

// append writes the header behind dst, with the salt of the nonce, and leaves
// room for the tag. The additions follow the known fields.
func (h Header) append(dst []byte, salt uint32, additions []byte) []byte {
	dst = append(dst, h.Version, h.Length, uint8(h.Kind), h.Sender)
	dst = binary.BigEndian.AppendUint32(dst, h.Cluster)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.KeyID))
	dst = binary.BigEndian.AppendUint64(dst, h.Start)
	dst = binary.BigEndian.AppendUint64(dst, h.Session)
	dst = binary.BigEndian.AppendUint32(dst, salt)
	dst = binary.BigEndian.AppendUint64(dst, h.Counter)
	dst = binary.BigEndian.AppendUint64(dst, 0)
	return append(dst, additions...)
}

// parseHeader reads the header of a datagram. Of a version that is neither this
// one nor the first only the version itself is known.
func parseHeader(datagram []byte) (Header, Refusal) {
	switch {
	case len(datagram) == 0:
		return Header{}, ErrShort
	case datagram[AtVersion] == oldVersion:
		return parseOld(datagram)
	case datagram[AtVersion] != Version:
		return Header{Version: datagram[AtVersion]}, ErrVersion
	case len(datagram) < Overhead:
		return Header{Version: Version}, ErrShort
	}
	length := datagram[AtLength]
	if length < HeaderSize || int(length)+TagSize > len(datagram) {
		return Header{Version: Version, Length: length}, ErrShort
	}
	return Header{
		Version: Version,
		Length:  length,
		Stream: Stream{
			Kind:    Kind(datagram[AtKind]),
			Sender:  datagram[AtSender],
			Start:   binary.BigEndian.Uint64(datagram[atStart:]),
			Session: binary.BigEndian.Uint64(datagram[atSession:]),
		},
		Cluster: binary.BigEndian.Uint32(datagram[AtCluster:]),
		KeyID:   KeyID(binary.BigEndian.Uint32(datagram[AtKeyID:])),
		Counter: binary.BigEndian.Uint64(datagram[atCounter:]),
	}, 0
}

// parseOld reads who claims to have sent a datagram of version 1.
func parseOld(datagram []byte) (Header, Refusal) {
	if len(datagram) < oldOverhead {
		return Header{Version: oldVersion}, ErrShort
	}
	return Header{
		Version: oldVersion,
		Stream:  Stream{Sender: datagram[oldAtSender]},
		Cluster: binary.BigEndian.Uint32(datagram[oldAtCluster:]),
		KeyID:   KeyID(binary.BigEndian.Uint32(datagram[oldAtKeyID:])),
	}, ErrOldVersion
}
