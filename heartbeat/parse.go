package heartbeat

import (
	"encoding/binary"
	"fmt"
	"time"

	"vipd/heartbeat/clock"
)

// Parse reads one message. The result keeps no reference to b. Parts that this
// program does not know are skipped. The error is one of the Err values, wrapped with
// where.
func Parse(b []byte) (*Message, error) {
	if len(b) < headerSize {
		return nil, fmt.Errorf("%w: %d of %d octets", ErrShort, len(b), headerSize)
	}
	if b[0] != WireVersion {
		return nil, fmt.Errorf("%w: %d", ErrVersion, b[0])
	}
	if size := int(b[1]); size < headerSize || size > len(b) {
		return nil, fmt.Errorf("%w: a header of %d octets", ErrShort, size)
	}
	m := parseHeader(b)
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, m.parseSections(b[b[1]:])
}

func parseHeader(b []byte) *Message {
	flags := binary.BigEndian.Uint16(b[6:])
	return &Message{
		Kind: Kind(b[2]), State: State(b[3]), Path: b[4],
		Synced: flags&flagSynced != 0, RequestClaims: flags&flagWant != 0, Leased: flags&flagLeased != 0,
		Seq:      binary.BigEndian.Uint64(b[8:]),
		Sent:     clock.Instant(binary.BigEndian.Uint64(b[16:])),
		Wall:     clock.Wall(binary.BigEndian.Uint64(b[24:])),
		Digest:   binary.BigEndian.Uint64(b[32:]),
		Revision: binary.BigEndian.Uint32(b[40:]),
		Page:     binary.BigEndian.Uint16(b[44:]),
		Pages:    binary.BigEndian.Uint16(b[46:]),
		Absence:  time.Duration(binary.BigEndian.Uint16(b[48:])) * time.Millisecond,
		Dead:     time.Duration(binary.BigEndian.Uint32(b[52:])) * time.Microsecond,
		Interval: time.Duration(binary.BigEndian.Uint32(b[56:])) * time.Microsecond,
		Boot:     binary.BigEndian.Uint64(b[60:]),
	}
}

func (m *Message) check() error {
	switch {
	case m.Kind < Beat || m.Kind > Reply:
		return fmt.Errorf("%w: kind %d", ErrReserved, m.Kind)
	case m.State == 0:
		return fmt.Errorf("%w: state %d", ErrReserved, m.State)
	case m.Path >= MaxPaths:
		return fmt.Errorf("%w: path %d", ErrBounds, m.Path)
	case m.Pages > 0 && m.Page >= m.Pages, m.Pages > maxPages:
		return fmt.Errorf("%w: page %d of %d", ErrBounds, m.Page, m.Pages)
	case m.Sent < 0:
		return fmt.Errorf("%w: negative send time", ErrReserved)
	}
	return nil
}

// parseSections reads the variable part. A section that is there twice is refused, but
// for those that are not known.
func (m *Message) parseSections(b []byte) error {
	var seen [sections]bool
	for len(b) > 0 {
		if len(b) < sectionHead {
			return fmt.Errorf("%w: %d octets of a section", ErrShort, len(b))
		}
		kind, size := b[0], int(binary.BigEndian.Uint16(b[1:]))
		if b = b[sectionHead:]; size > len(b) {
			return fmt.Errorf("%w: section %d has %d of %d octets", ErrShort, kind, len(b), size)
		}
		if int(kind) < len(seen) {
			if seen[kind] {
				return fmt.Errorf("%w: section %d is there twice", ErrReserved, kind)
			}
			seen[kind] = true
		}
		if err := m.parseSection(int(kind), b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

func (m *Message) parseSection(kind int, b []byte) (err error) {
	switch kind {
	case buildSection:
		m.Build = string(b[:min(len(b), MaxVersion)])
	case heardSection:
		m.Echoes, err = parseList(kind, b, m.parseHeard)
	case startsSection:
		m.Starts, err = parseList(kind, b, parseStart)
	case ordersSection:
		m.Orders, err = parseList(kind, b, parseOrder)
	case receiptsSection:
		m.Receipts, err = parseList(kind, b, parseReceipt)
	case claimsSection:
		m.Claims, err = parseList(kind, b, parseClaim)
	case keysSection:
		m.Keys, err = parseList(kind, b, binary.BigEndian.Uint32)
	case macsSection:
		m.MACs, err = parseList(kind, b, parseMAC)
	}
	return err
}

// parseList reads entries of the size that the list gives, of which parse knows the
// beginning. Their count is checked before anything is made to hold them.
func parseList[T any](kind int, b []byte, parse func([]byte) T) ([]T, error) {
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: section %d is empty", ErrShort, kind)
	}
	size := int(b[0])
	if size < entrySize[kind] {
		return nil, fmt.Errorf("%w: entries of %d octets in section %d", ErrShort, size, kind)
	}
	b = b[1:]
	n := len(b) / size
	if n > most[kind] {
		return nil, fmt.Errorf("%w: %d entries in section %d", ErrBounds, n, kind)
	}
	if n == 0 {
		return nil, nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = parse(b[i*size:])
	}
	return list, nil
}

func (m *Message) parseHeard(b []byte) PeerEcho {
	h := PeerEcho{
		Slot: b[0], Paths: b[1], Pending: b[2]&1 != 0,
		Session:  binary.BigEndian.Uint64(b[3:]),
		Revision: binary.BigEndian.Uint32(b[11:]),
		Sent:     clock.Instant(binary.BigEndian.Uint64(b[15:])),
	}
	if held := binary.BigEndian.Uint32(b[23:]); held != noEcho {
		h.At = m.Wall - clock.Wall(held)
	}
	return h
}

func parseStart(b []byte) Start {
	return Start{Slot: b[0], Start: binary.BigEndian.Uint64(b[1:])}
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
		Reasons:  binary.BigEndian.Uint32(b[12:]),
		Epoch:    binary.BigEndian.Uint64(b[16:]),
		Seen:     binary.BigEndian.Uint64(b[24:]),
		About:    binary.BigEndian.Uint64(b[32:]),
		Since:    clock.Instant(binary.BigEndian.Uint64(b[40:])),
		Priority: int32(binary.BigEndian.Uint32(b[48:])),
	}
}

func parseMAC(b []byte) MAC {
	return MAC{Kind: MACKind(b[0]), Index: b[1], Address: [6]byte(b[2:])}
}
