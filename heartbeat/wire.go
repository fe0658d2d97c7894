package heartbeat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"vipd/heartbeat/clock"
)

// Layout, all numbers big-endian:
//
//	0        1        2        3        4        6        8
//	+--------+--------+--------+--------+--------+--------+
//	| version| kind   | state  | path   | flags  | hold ms|
//	+--------+--------+--------+--------+--------+--------+
//	| sequence (8) | sent (8) | wall (8) | digest (8)      |
//	+-----------------------------------------------------+
//	| edition (4)       | page (2)        | pages (2)     |
//	+-----------------------------------------------------+
//	| heard n | orders n | receipts n | build length      |
//	+-----------------------------------------------------+
//	| claims n (2)      | dead ms (2)                     |
//	+-----------------------------------------------------+
//	build, heard × 30, orders × 15, receipts × 6, claims × 48
//
// flags: bit 0 synchronised, bit 1 want pages, bit 2 leased; the others must be 0.
const (
	headerSize  = 56
	heardSize   = 30
	orderSize   = 15
	receiptSize = 6
	claimSize   = 48
)

const (
	flagSynced = 1 << iota
	flagWant
	flagLeased
	flagKnown = flagSynced | flagWant | flagLeased
)

// Reasons why Parse refuses a message.
var (
	ErrShort    = errors.New("heartbeat: message ends early")
	ErrLong     = errors.New("heartbeat: octets after the message")
	ErrVersion  = errors.New("heartbeat: unknown wire version")
	ErrReserved = errors.New("heartbeat: reserved value")
	ErrBounds   = errors.New("heartbeat: count out of bounds")
)

// PageSize returns how many claims fit beside a message's other parts for a
// cluster of the given number of nodes.
func PageSize(nodes int) int {
	rest := MaxSize - headerSize - MaxVersion - nodes*heardSize - MaxOrders*(orderSize+receiptSize)
	return rest / claimSize
}

// Append appends the message's octets to b.
func (m *Message) Append(b []byte) []byte {
	var flags uint16
	if m.Synced {
		flags |= flagSynced
	}
	if m.Leased {
		flags |= flagLeased
	}
	if m.Want {
		flags |= flagWant
	}
	b = append(b, WireVersion, byte(m.Kind), byte(m.State), m.Path)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint16(b, milliseconds16(m.Hold))
	b = binary.BigEndian.AppendUint64(b, m.Seq)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Sent))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Wall))
	b = binary.BigEndian.AppendUint64(b, m.Digest)
	b = binary.BigEndian.AppendUint32(b, m.Edition)
	b = binary.BigEndian.AppendUint16(b, m.Page)
	b = binary.BigEndian.AppendUint16(b, m.Pages)
	b = append(b, byte(len(m.Heard)), byte(len(m.Orders)), byte(len(m.Receipts)), byte(len(m.Build)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(m.Claims)))
	b = binary.BigEndian.AppendUint16(b, milliseconds16(m.Dead))
	b = append(b, m.Build...)
	for i := range m.Heard {
		b = m.Heard[i].append(b)
	}
	for i := range m.Orders {
		b = m.Orders[i].append(b)
	}
	for i := range m.Receipts {
		b = m.Receipts[i].append(b)
	}
	for i := range m.Claims {
		b = m.Claims[i].append(b)
	}
	return b
}

func (h *Heard) append(b []byte) []byte {
	b = append(b, h.Slot, h.Paths)
	b = binary.BigEndian.AppendUint64(b, h.Session)
	b = binary.BigEndian.AppendUint32(b, h.Edition)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Sent))
	return binary.BigEndian.AppendUint64(b, uint64(h.At))
}

func (o *Order) append(b []byte) []byte {
	b = append(b, o.Slot, o.Verb, o.To)
	b = binary.BigEndian.AppendUint32(b, o.ID)
	return binary.BigEndian.AppendUint64(b, o.Token)
}

func (r *Receipt) append(b []byte) []byte {
	b = append(b, r.Slot, r.Result)
	return binary.BigEndian.AppendUint32(b, r.ID)
}

func (c *Claim) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, c.Token)
	b = append(b, c.Phase, c.Verb, c.To, c.Flags)
	b = binary.BigEndian.AppendUint32(b, c.Reasons)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = binary.BigEndian.AppendUint64(b, c.Seen)
	b = binary.BigEndian.AppendUint64(b, c.About)
	return binary.BigEndian.AppendUint64(b, uint64(c.Since))
}

// Parse reads one message, which must fill b exactly. What it returns keeps no
// reference to b. The error is one of the Err values, wrapped with where.
func Parse(b []byte) (*Message, error) {
	if len(b) < headerSize {
		return nil, fmt.Errorf("%w: %d of %d octets", ErrShort, len(b), headerSize)
	}
	if b[0] != WireVersion {
		return nil, fmt.Errorf("%w: %d", ErrVersion, b[0])
	}
	m := &Message{
		Kind: Kind(b[1]), State: State(b[2]), Path: b[3],
		Hold:    time.Duration(binary.BigEndian.Uint16(b[6:])) * time.Millisecond,
		Seq:     binary.BigEndian.Uint64(b[8:]),
		Sent:    clock.Instant(binary.BigEndian.Uint64(b[16:])),
		Wall:    clock.Wall(binary.BigEndian.Uint64(b[24:])),
		Digest:  binary.BigEndian.Uint64(b[32:]),
		Edition: binary.BigEndian.Uint32(b[40:]),
		Page:    binary.BigEndian.Uint16(b[44:]),
		Pages:   binary.BigEndian.Uint16(b[46:]),
		Dead:    time.Duration(binary.BigEndian.Uint16(b[54:])) * time.Millisecond,
	}
	flags := binary.BigEndian.Uint16(b[4:])
	m.Synced, m.Want, m.Leased = flags&flagSynced != 0, flags&flagWant != 0, flags&flagLeased != 0
	if err := m.check(flags); err != nil {
		return nil, err
	}
	return m, m.parseLists(b)
}

func (m *Message) check(flags uint16) error {
	switch {
	case m.Kind < Beat || m.Kind > Answer:
		return fmt.Errorf("%w: kind %d", ErrReserved, m.Kind)
	case m.State < Starting || m.State > Restarting:
		return fmt.Errorf("%w: state %d", ErrReserved, m.State)
	case flags&^flagKnown != 0:
		return fmt.Errorf("%w: flags %#x", ErrReserved, flags)
	case m.Path >= MaxPaths:
		return fmt.Errorf("%w: path %d", ErrBounds, m.Path)
	case m.Pages > 0 && m.Page >= m.Pages, m.Pages > maxPages:
		return fmt.Errorf("%w: page %d of %d", ErrBounds, m.Page, m.Pages)
	case m.Sent < 0:
		return fmt.Errorf("%w: negative send time", ErrReserved)
	}
	return nil
}

// parseLists reads the variable part; the counts are checked against the
// octets that are there before anything is made to hold them.
func (m *Message) parseLists(b []byte) error {
	heard, orders, receipts, build := int(b[48]), int(b[49]), int(b[50]), int(b[51])
	claims := int(binary.BigEndian.Uint16(b[52:]))
	if heard > MaxNodes || orders > MaxOrders || receipts > MaxOrders || build > MaxVersion || claims > MaxClaims {
		return fmt.Errorf("%w: heard %d, orders %d, receipts %d, build %d, claims %d", ErrBounds, heard, orders, receipts, build, claims)
	}
	size := headerSize + build + heard*heardSize + orders*orderSize + receipts*receiptSize + claims*claimSize
	if len(b) < size {
		return fmt.Errorf("%w: %d of %d octets", ErrShort, len(b), size)
	}
	if len(b) > size {
		return fmt.Errorf("%w: %d after %d", ErrLong, len(b)-size, size)
	}
	b = b[headerSize:]
	m.Build, b = string(b[:build]), b[build:]
	m.Heard, b = parseList(b, heard, heardSize, parseHeard)
	m.Orders, b = parseList(b, orders, orderSize, parseOrder)
	m.Receipts, b = parseList(b, receipts, receiptSize, parseReceipt)
	m.Claims, _ = parseList(b, claims, claimSize, parseClaim)
	return nil
}

func parseList[T any](b []byte, n, size int, parse func([]byte) T) ([]T, []byte) {
	if n == 0 {
		return nil, b
	}
	list := make([]T, n)
	for i := range list {
		list[i] = parse(b[i*size:])
	}
	return list, b[n*size:]
}

func parseHeard(b []byte) Heard {
	return Heard{
		Slot: b[0], Paths: b[1],
		Session: binary.BigEndian.Uint64(b[2:]),
		Edition: binary.BigEndian.Uint32(b[10:]),
		Sent:    clock.Instant(binary.BigEndian.Uint64(b[14:])),
		At:      clock.Wall(binary.BigEndian.Uint64(b[22:])),
	}
}

func parseOrder(b []byte) Order {
	return Order{Slot: b[0], Verb: b[1], To: b[2], ID: binary.BigEndian.Uint32(b[3:]), Token: binary.BigEndian.Uint64(b[7:])}
}

func parseReceipt(b []byte) Receipt {
	return Receipt{Slot: b[0], Result: b[1], ID: binary.BigEndian.Uint32(b[2:])}
}

func parseClaim(b []byte) Claim {
	return Claim{
		Token: binary.BigEndian.Uint64(b),
		Phase: b[8], Verb: b[9], To: b[10], Flags: b[11],
		Reasons: binary.BigEndian.Uint32(b[12:]),
		Epoch:   binary.BigEndian.Uint64(b[16:]),
		Seen:    binary.BigEndian.Uint64(b[24:]),
		About:   binary.BigEndian.Uint64(b[32:]),
		Since:   clock.Instant(binary.BigEndian.Uint64(b[40:])),
	}
}

func milliseconds16(d time.Duration) uint16 {
	return uint16(min(max(d.Milliseconds(), 0), math.MaxUint16))
}
