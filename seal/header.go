package seal

import "encoding/binary"

// Version is the wire version that this package writes. A node reads its own
// version and the one before, and a pair speaks the lower; there is none before
// version 1.
const Version = 1

// Sizes on the wire, in bytes.
const (
	HeaderSize = 26                   // the clear part
	TagSize    = 16                   // GCM's tag
	Overhead   = HeaderSize + TagSize // what sealing adds to a payload
)

// Where the fields of the header begin.
const (
	atKeyID   = 1
	atCluster = 5
	atSender  = 9
	atSession = 10
	atCounter = 18
	atNonce   = HeaderSize - 12 // the low half of the session and the counter
)

// Header is the clear part of a datagram. Until the datagram has opened it is
// only what somebody claims.
type Header struct {
	Version uint8
	KeyID   KeyID
	Cluster uint32 // see ClusterHash
	Sender  uint8  // the node's slot
	Session uint64 // drawn at random by each start of the sender
	Counter uint64 // of this session, from 1
}

// append writes the header behind dst.
func (h Header) append(dst []byte) []byte {
	dst = append(dst, h.Version)
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.KeyID))
	dst = binary.BigEndian.AppendUint32(dst, h.Cluster)
	dst = append(dst, h.Sender)
	dst = binary.BigEndian.AppendUint64(dst, h.Session)
	return binary.BigEndian.AppendUint64(dst, h.Counter)
}

// parseHeader reads the header of a datagram. Of another version only the
// version itself is known: the rest may be laid out in another way.
func parseHeader(datagram []byte) (Header, Refusal) {
	if len(datagram) == 0 {
		return Header{}, ErrShort
	}
	if datagram[0] != Version {
		return Header{Version: datagram[0]}, ErrVersion
	}
	if len(datagram) < Overhead {
		return Header{Version: Version}, ErrShort
	}
	return Header{
		Version: Version,
		KeyID:   KeyID(binary.BigEndian.Uint32(datagram[atKeyID:])),
		Cluster: binary.BigEndian.Uint32(datagram[atCluster:]),
		Sender:  datagram[atSender],
		Session: binary.BigEndian.Uint64(datagram[atSession:]),
		Counter: binary.BigEndian.Uint64(datagram[atCounter:]),
	}, 0
}
