package heartbeat

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample has a distinct value in every field.
func sample() Message {
	return Message{
		Kind: Query, State: Suspended, Path: 2, Synced: true, RequestClaims: true, Absence: 2500 * time.Millisecond, Dead: 150 * time.Millisecond, Interval: 50 * time.Millisecond,
		Seq: 0x0102, Sent: 0x0304, Wall: 0x0506, Digest: 0x0708, Boot: 0x090a, Build: "v1",
		Echoes:   []PeerEcho{{Slot: 3, Pending: true, Paths: 5, Session: 0x11, Revision: 0x12, Sent: 0x13, At: 0x0500}, {Slot: 9, Session: 0x15}},
		Starts:   []Start{{Slot: 3, Start: 0x16}},
		Orders:   []Order{{Slot: 4, Verb: 1, To: 6, ID: 0x21, Token: 0x22}},
		Receipts: []Receipt{{Slot: 7, Result: 3, ID: 0x31}},
		Keys:     []uint32{0x61, 0x62},
		MACs:     []MAC{{Kind: ClientMAC, Index: 4, Address: [6]byte{2, 0, 0, 0, 0, 1}}},
		Revision: 0x41, Page: 1, Pages: 2,
		Claims: []Claim{{Token: 0x51, Phase: 2, Verb: 1, To: 8, Flags: 1, Reasons: 0x52, Epoch: 0x53, Seen: 0x54, About: 0x55, Since: 0x56, Priority: -1}},
	}
}

// golden is sample on the wire, field by field.
var golden = []string{
	"02", "44", // version, length of the header
	"02",               // kind: ask
	"03",               // state: suspended
	"02",               // path
	"00",               // nothing
	"0003",             // flags: synchronised, want pages
	"0000000000000102", // sequence
	"0000000000000304", // sent, ns of the sender's boot clock
	"0000000000000506", // wall, ns
	"0000000000000708", // digest of the configuration
	"00000041",         // revision
	"0001", "0002",     // page, pages
	"09c4",               // hold, ms
	"0000",               // nothing
	"000249f0",           // dead time, µs
	"0000c350",           // interval, µs
	"000000000000090a",   // boot
	"01", "0002", "7631", // build
	"02", "0037", "1b", // heard: of 27 octets each
	"03", "05", "01", "0000000000000011", "00000012", "0000000000000013", "00000006", // slot, paths, pending, session, revision, sent, held for
	"09", "00", "00", "0000000000000015", "00000000", "0000000000000000", "ffffffff",
	"03", "000a", "09", "03", "0000000000000016", // starts: slot, start
	"04", "0010", "0f", "04", "01", "06", "00000021", "0000000000000022", // order: slot, verb, to, ID, token
	"05", "0007", "06", "07", "03", "00000031", // receipt: slot, result, ID
	"06", "0035", "34", "0000000000000051", // claim: token
	"02", "01", "08", "01", // phase, verb, to, flags
	"00000052",                                                                     // reasons
	"0000000000000053", "0000000000000054", "0000000000000055", "0000000000000056", // epoch, seen, about, since
	"ffffffff",                                 // priority
	"07", "0009", "04", "00000061", "00000062", // keys
	"08", "0009", "08", "02", "04", "020000000001", // hardware address: kind, index, address
}

func TestGolden(t *testing.T) {
	want, err := hex.DecodeString(strings.Join(golden, ""))
	if err != nil {
		t.Fatal(err)
	}
	m := sample()
	if got := m.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("Append:\n got %x\nwant %x", got, want)
	}
	got, err := Parse(want)
	if err != nil || !reflect.DeepEqual(*got, m) {
		t.Errorf("Parse:\n got %+v (%v)\nwant %+v", got, err, m)
	}
}

// split takes a message apart: its header, then its sections.
func split(b []byte) (parts [][]byte) {
	parts = append(parts, b[:b[1]])
	for b = b[b[1]:]; len(b) > 0; {
		size := sectionHead + int(binary.BigEndian.Uint16(b[1:]))
		parts, b = append(parts, b[:size]), b[size:]
	}
	return parts
}

// A later program may add to every part: to the header, to entries of lists, behind the
// last entry, and sections, flags and values that are not known here. All of it is skipped.
func TestAdditionsAreSkipped(t *testing.T) {
	m := sample()
	parts := split(m.Append(nil))
	header := append(bytes.Clone(parts[0]), 0xee, 0xee)
	header[1] += 2
	header[5], header[6], header[50] = 0xee, 0xf0, 0xee
	b := append(header, 0xfe, 0, 2, 0xee, 0xee)
	for _, part := range parts[1:] {
		body := bytes.Clone(part[sectionHead:])
		if part[0] != buildSection {
			size := int(body[0])
			grown := []byte{body[0] + 3}
			for entry := range slices.Chunk(body[1:], size) {
				grown = append(append(grown, entry...), 0xee, 0xee, 0xee)
			}
			body = append(grown, 0xee) // less than an entry
		}
		b = append(b, part[0])
		b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
		b = append(b, body...)
	}
	b = append(b, 0xfe, 0, 0) // once more: not known, so not refused
	got, err := Parse(b)
	if err != nil || !reflect.DeepEqual(*got, m) {
		t.Errorf("Parse:\n got %+v (%v)\nwant %+v", got, err, m)
	}
}

func TestParseRefuses(t *testing.T) {
	m := sample()
	whole := m.Append(nil)
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], to)
		return b
	}
	with := func(section ...byte) []byte { return append(bytes.Clone(whole[:headerSize]), section...) }
	list := func(kind, size byte, octets int) []byte {
		head := []byte{kind, byte((octets + 1) >> 8), byte(octets + 1), size}
		return with(append(head, make([]byte, octets)...)...)
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"header ends early", whole[:headerSize-1], ErrShort},
		{"a header shorter than this one", change(1, headerSize-1), ErrShort},
		{"a section ends early", whole[:len(whole)-1], ErrShort},
		{"half of a section's head", with(buildSection, 0), ErrShort},
		{"a list without a size", with(heardSection, 0, 0), ErrShort},
		{"entries of 26 octets", list(heardSection, 26, 26), ErrShort},
		{"entries of no octets", list(claimsSection, 0, 4), ErrShort},
		{"the build twice", with(buildSection, 0, 0, buildSection, 0, 0), ErrReserved},
		{"version 1", change(0, 1), ErrVersion},
		{"version 3", change(0, 3), ErrVersion},
		{"kind 0", change(2, 0), ErrReserved},
		{"kind 4", change(2, 4), ErrReserved},
		{"state 0", change(3, 0), ErrReserved},
		{"path 8", change(4, MaxPaths), ErrBounds},
		{"sent before boot", change(16, 0x80), ErrReserved},
		{"page beyond pages", change(44, 0, 2), ErrBounds},
		{"385 pages", change(46, 1, 0x81), ErrBounds},
		{"34 heard", list(heardSection, 27, 34*27), ErrBounds},
		{"3 starts", list(startsSection, 9, 27), ErrBounds},
		{"5 orders", list(ordersSection, 15, 75), ErrBounds},
		{"5 receipts", list(receiptsSection, 6, 30), ErrBounds},
		{"1001 claims", list(claimsSection, 52, 1001*52), ErrBounds},
		{"5 keys", list(keysSection, 4, 20), ErrBounds},
		{"65 hardware addresses", list(macsSection, 8, 65*8), ErrBounds},
	} {
		if _, err := Parse(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := Parse(change(1, 0xff)[:200]); !errors.Is(err, ErrShort) {
		t.Errorf("a header longer than the message: %v", err)
	}
}

// What Parse takes, Append writes so that Parse takes the same again.
func FuzzParse(f *testing.F) {
	m := sample()
	f.Add(m.Append(nil))
	f.Add((&Message{Kind: Beat, State: Up}).Append(nil))
	f.Add([]byte{2, headerSize, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil || len(b) > MaxSize {
			return
		}
		again, err := Parse(m.Append(nil))
		if err != nil {
			t.Fatalf("read %x, wrote what can't be read: %v", b, err)
		}
		for i := range m.Echoes { // one that was held for longer than its time of day is old
			if m.Echoes[i].At == 0 || m.Wall.Sub(m.Echoes[i].At) < 0 {
				again.Echoes[i].At = m.Echoes[i].At
			}
		}
		if len(again.Keys) == len(m.Keys) && len(again.MACs) == len(m.MACs) && !reflect.DeepEqual(m, again) {
			t.Errorf("read %+v\nwrote %+v", m, again)
		}
	})
}

// The largest message fits: two nodes and 32, with as many claims as a page has. What
// may be left out has the room that is left.
func TestPageSize(t *testing.T) {
	for _, c := range []struct{ nodes, claims, pages int }{{2, 18, 56}, {32, 3, 334}} {
		page := PageSize(c.nodes)
		m := Message{Kind: Beat, State: Up, Build: strings.Repeat("x", MaxVersion), Echoes: make([]PeerEcho, c.nodes-1+maxPending), Starts: make([]Start, maxStarts),
			Orders: make([]Order, MaxOrders), Receipts: make([]Receipt, MaxOrders), Claims: make([]Claim, page)}
		size := len(m.Append(nil))
		if page != c.claims || size > MaxSize || size+entrySize[claimsSection] <= MaxSize {
			t.Errorf("%d nodes: %d claims to a page of %d octets", c.nodes, page, size)
		}
		if pages := (MaxClaims + page - 1) / page; pages != c.pages || pages > maxPages {
			t.Errorf("%d nodes: %d pages for %d claims, want %d", c.nodes, pages, MaxClaims, c.pages)
		}
		m.Keys, m.MACs = make([]uint32, MaxKeys), make([]MAC, MaxMACs)
		if size := len(m.Append(nil)); size > MaxSize {
			t.Errorf("%d nodes: %d octets", c.nodes, size)
		}
	}
}

// Hardware addresses that don't fit one message come in turn.
func TestHardwareAddressesComeInTurn(t *testing.T) {
	m := Message{Kind: Beat, State: Up, Claims: make([]Claim, PageSize(2)), MACs: make([]MAC, MaxMACs)}
	for i := range m.MACs {
		m.MACs[i] = MAC{Kind: ClientMAC, Index: uint8(i)}
	}
	seen := map[uint8]bool{}
	for m.Seq = 1; m.Seq <= MaxMACs; m.Seq++ {
		got, err := Parse(m.Append(nil))
		if err != nil || len(got.MACs) == 0 || len(got.MACs) == MaxMACs {
			t.Fatalf("%d hardware addresses: %v", len(got.MACs), err)
		}
		for _, a := range got.MACs {
			seen[a.Index] = true
		}
	}
	if len(seen) != MaxMACs {
		t.Errorf("%d of %d came", len(seen), MaxMACs)
	}
}
