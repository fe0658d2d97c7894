package heartbeat

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Layout, all numbers big-endian:
//
//	0        1        2        3        4        6        8
//	+--------+--------+--------+--------+--------+--------+
//	| version| header | kind   | state  | path, 0| flags  |
//	|        | length |        |        |        |        |
//	+--------+--------+--------+--------+--------+--------+
//	| sequence (8) | sent (8) | wall (8) | digest (8)      |
//	+-----------------------------------------------------+
//	| revision (4) | page (2) | pages (2) | hold ms (2) | 0 |
//	+-----------------------------------------------------+
//	| dead µs (4) | interval µs (4) | boot (8)            |
//	+-----------------------------------------------------+
//	sections: type (1), length (2), that many octets
//
// flags: bit 0 synchronised, bit 1 want pages, bit 2 leased.
//
// A header may be longer than this program's, and there may be sections and flags that
// it does not know: it skips them. A list begins with the size of its entries, which may
// be larger than known too; the rest of the section after the last entry may be longer, too. So a later program can add
// to each part without a new version.
const headerSize = 68

// The sections.
const (
	buildSection = 1 + iota
	heardSection
	startsSection
	ordersSection
	receiptsSection
	claimsSection
	keysSection
	macsSection
	sections
)

// Sizes of the heads of a section and of a list, and of the entries of lists, by section.
const (
	sectionHead = 3
	listHead    = sectionHead + 1
)

var entrySize = [sections]int{heardSection: 27, startsSection: 9, ordersSection: 15, receiptsSection: 6, claimsSection: 52, keysSection: 4, macsSection: 8}

// most is how many entries a list has at most.
var most = [sections]int{heardSection: maxEchoes, startsSection: maxStarts, ordersSection: MaxOrders, receiptsSection: MaxOrders, claimsSection: MaxClaims,
	keysSection: MaxKeys, macsSection: MaxMACs}

const (
	flagSynced = 1 << iota
	flagWant
	flagLeased
)

// noEcho stands for an arrival whose time is not known.
const noEcho = math.MaxUint32

// Reasons why Parse refuses a message.
var (
	ErrShort    = errors.New("heartbeat: message ends early")
	ErrVersion  = errors.New("heartbeat: unknown wire version")
	ErrReserved = errors.New("heartbeat: reserved value")
	ErrBounds   = errors.New("heartbeat: count out of bounds")
)

// PageSize returns how many claims fit beside a message's other parts for a
// cluster of the given number of nodes. Keys and hardware addresses have the room that
// the others leave.
func PageSize(nodes int) int {
	rest := MaxSize - headerSize - sectionHead - MaxVersion - listHead
	rest -= listHead + (nodes-1+maxPending)*entrySize[heardSection]
	for _, section := range []int{startsSection, ordersSection, receiptsSection} {
		rest -= listHead + most[section]*entrySize[section]
	}
	return rest / entrySize[claimsSection]
}

// Append appends the message's octets to b. Of its keys and hardware addresses it
// takes those that fit, beginning with another address at each send.
func (m *Message) Append(b []byte) []byte {
	start := len(b)
	b = m.appendHeader(b)
	if m.Build != "" {
		b = append(b, buildSection)
		b = binary.BigEndian.AppendUint16(b, uint16(len(m.Build)))
		b = append(b, m.Build...)
	}
	b = appendList(b, heardSection, m.Echoes, m.appendHeard)
	b = appendList(b, startsSection, m.Starts, appendStart)
	b = appendList(b, ordersSection, m.Orders, appendOrder)
	b = appendList(b, receiptsSection, m.Receipts, appendReceipt)
	b = appendList(b, claimsSection, m.Claims, appendClaim)
	b = appendList(b, keysSection, m.Keys[:fitting(len(m.Keys), keysSection, len(b)-start)], appendKey)
	return m.appendMACs(b, fitting(len(m.MACs), macsSection, len(b)-start))
}

// appendMACs appends n of the hardware addresses.
func (m *Message) appendMACs(b []byte, n int) []byte {
	if n == 0 {
		return b
	}
	first := int(m.Seq % uint64(len(m.MACs)))
	if n == len(m.MACs) {
		first = 0
	}
	b = appendListHead(b, macsSection, n)
	for i := range n {
		a := &m.MACs[(first+i)%len(m.MACs)]
		b = append(append(b, byte(a.Kind), a.Index), a.Address[:]...)
	}
	return b
}

// fitting returns how many of n entries a message of the given size has room for.
func fitting(n, section, size int) int {
	return max(0, min(n, most[section], (MaxSize-size-listHead)/entrySize[section]))
}

func (m *Message) appendHeader(b []byte) []byte {
	var flags uint16
	if m.Synced {
		flags |= flagSynced
	}
	if m.Leased {
		flags |= flagLeased
	}
	if m.RequestClaims {
		flags |= flagWant
	}
	b = append(b, WireVersion, headerSize, byte(m.Kind), byte(m.State), m.Path, 0)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint64(b, m.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Sent))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Wall))
	b = binary.BigEndian.AppendUint64(b, m.Digest)
	b = binary.BigEndian.AppendUint32(b, m.Revision)
	b = binary.BigEndian.AppendUint16(b, m.Page)
	b = binary.BigEndian.AppendUint16(b, m.Pages)
	b = binary.BigEndian.AppendUint16(b, uint16(min(max(m.Absence.Milliseconds(), 0), math.MaxUint16)))
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, microseconds32(m.Dead))
	b = binary.BigEndian.AppendUint32(b, microseconds32(m.Interval))
	return binary.BigEndian.AppendUint64(b, m.Boot)
}

func microseconds32(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), math.MaxUint32))
}

// appendList appends a section with entries of one size, if there are any.
func appendList[T any](b []byte, section int, list []T, entry func([]byte, *T) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	b = appendListHead(b, section, len(list))
	for i := range list {
		b = entry(b, &list[i])
	}
	return b
}

func appendListHead(b []byte, section, entries int) []byte {
	size := entrySize[section]
	b = append(b, byte(section))
	b = binary.BigEndian.AppendUint16(b, uint16(1+entries*size))
	return append(b, byte(size))
}

// appendHeard writes when the send arrived as the time since, in ns.
func (m *Message) appendHeard(b []byte, h *PeerEcho) []byte {
	flags, held := byte(0), m.Wall.Sub(h.At)
	if h.Pending {
		flags = 1
	}
	if h.At == 0 || held < 0 || held >= noEcho {
		held = noEcho
	}
	b = append(b, h.Slot, h.Paths, flags)
	b = binary.BigEndian.AppendUint64(b, h.Session)
	b = binary.BigEndian.AppendUint32(b, h.Revision)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Sent))
	return binary.BigEndian.AppendUint32(b, uint32(held))
}

func appendStart(b []byte, s *Start) []byte {
	return binary.BigEndian.AppendUint64(append(b, s.Slot), s.Start)
}

func appendOrder(b []byte, o *Order) []byte {
	b = append(b, o.Slot, o.Verb, o.To)
	b = binary.BigEndian.AppendUint32(b, o.ID)
	return binary.BigEndian.AppendUint64(b, o.Token)
}

func appendReceipt(b []byte, r *Receipt) []byte {
	b = append(b, r.Slot, r.Result)
	return binary.BigEndian.AppendUint32(b, r.ID)
}

func appendClaim(b []byte, c *Claim) []byte {
	b = binary.BigEndian.AppendUint64(b, c.Token)
	b = append(b, c.Phase, c.Verb, c.To, c.Flags)
	b = binary.BigEndian.AppendUint32(b, c.Reasons)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = binary.BigEndian.AppendUint64(b, c.Seen)
	b = binary.BigEndian.AppendUint64(b, c.About)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Since))
	return binary.BigEndian.AppendUint32(b, uint32(c.Priority))
}

func appendKey(b []byte, id *uint32) []byte { return binary.BigEndian.AppendUint32(b, *id) }
