package heartbeat

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// sample has a distinct value in every field.
func sample() Message {
	return Message{
		Kind: Ask, State: Suspended, Path: 2, Synced: true, Want: true, Hold: 2500 * time.Millisecond, Dead: 150 * time.Millisecond,
		Seq: 0x0102, Sent: 0x0304, Wall: 0x0506, Digest: 0x0708, Build: "v1",
		Heard:    []Heard{{Slot: 3, Paths: 5, Session: 0x11, Edition: 0x12, Sent: 0x13, At: 0x14}},
		Orders:   []Order{{Slot: 4, Verb: 1, To: 6, ID: 0x21, Token: 0x22}},
		Receipts: []Receipt{{Slot: 7, Result: 3, ID: 0x31}},
		Edition:  0x41, Page: 1, Pages: 2,
		Claims: []Claim{{Token: 0x51, Phase: 2, Verb: 1, To: 8, Flags: 1, Reasons: 0x52, Epoch: 0x53, Seen: 0x54, About: 0x55, Since: 0x56}},
	}
}

// golden is sample on the wire, field by field.
var golden = []string{
	"01",               // version
	"02",               // kind: ask
	"03",               // state: suspended
	"02",               // path
	"0003",             // flags: synchronised, want pages
	"09c4",             // hold, ms
	"0000000000000102", // sequence
	"0000000000000304", // sent, ns of the sender's boot clock
	"0000000000000506", // wall, ns
	"0000000000000708", // digest of the configuration
	"00000041",         // edition
	"0001", "0002",     // page, pages
	"01", "01", "01", // heard, orders, receipts
	"02",                                                                               // length of the build
	"0001",                                                                             // claims
	"0096",                                                                             // dead time, ms
	"7631",                                                                             // build
	"03", "05", "0000000000000011", "00000012", "0000000000000013", "0000000000000014", // heard: slot, paths, session, edition, sent, at
	"04", "01", "06", "00000021", "0000000000000022", // order: slot, verb, to, ID, token
	"07", "03", "00000031", // receipt: slot, result, ID
	"0000000000000051",     // claim: token
	"02", "01", "08", "01", // phase, verb, to, flags
	"00000052",                                                                     // reasons
	"0000000000000053", "0000000000000054", "0000000000000055", "0000000000000056", // epoch, seen, about, since
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

func TestParseRefuses(t *testing.T) {
	m := sample()
	whole := m.Append(nil)
	change := func(at int, to ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], to)
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, ErrShort},
		{"header ends early", whole[:headerSize-1], ErrShort},
		{"lists end early", whole[:len(whole)-1], ErrShort},
		{"octets after", append(bytes.Clone(whole), 0), ErrLong},
		{"version 0", change(0, 0), ErrVersion},
		{"version 2", change(0, 2), ErrVersion},
		{"kind 0", change(1, 0), ErrReserved},
		{"kind 4", change(1, 4), ErrReserved},
		{"state 0", change(2, 0), ErrReserved},
		{"state 6", change(2, 6), ErrReserved},
		{"path 8", change(3, MaxPaths), ErrBounds},
		{"unknown flag", change(4, 0x80), ErrReserved},
		{"sent before boot", change(16, 0x80), ErrReserved},
		{"page beyond pages", change(44, 0, 2), ErrBounds},
		{"385 pages", change(46, 1, 0x81), ErrBounds},
		{"33 heard", change(48, MaxNodes+1), ErrBounds},
		{"5 orders", change(49, MaxOrders+1), ErrBounds},
		{"5 receipts", change(50, MaxOrders+1), ErrBounds},
		{"build of 25", change(51, MaxVersion+1), ErrBounds},
		{"1001 claims", change(52, 0x03, 0xe9), ErrBounds},
	} {
		if _, err := Parse(c.b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// What Parse takes, Append writes again octet by octet.
func FuzzParse(f *testing.F) {
	m := sample()
	f.Add(m.Append(nil))
	f.Add((&Message{Kind: Beat, State: Up}).Append(nil))
	f.Add([]byte{1, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		if again := m.Append(nil); !bytes.Equal(again, b) {
			t.Errorf("read %x, wrote %x", b, again)
		}
	})
}

// The largest message fits: two nodes and 32, with as many claims as a page has.
func TestPageSize(t *testing.T) {
	for _, c := range []struct{ nodes, claims, pages int }{{2, 22, 46}, {32, 3, 334}} {
		page := PageSize(c.nodes)
		m := Message{Kind: Beat, State: Up, Build: strings.Repeat("x", MaxVersion), Heard: make([]Heard, c.nodes),
			Orders: make([]Order, MaxOrders), Receipts: make([]Receipt, MaxOrders), Claims: make([]Claim, page)}
		if size := len(m.Append(nil)); page != c.claims || size > MaxSize || size+claimSize <= MaxSize {
			t.Errorf("%d nodes: %d claims to a page of %d octets", c.nodes, page, size)
		}
		if pages := (MaxClaims + page - 1) / page; pages != c.pages {
			t.Errorf("%d nodes: %d pages for %d claims, want %d", c.nodes, pages, MaxClaims, c.pages)
		}
	}
}
