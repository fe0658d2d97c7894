package packet

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// unhex turns spaced hexadecimal with # comments into octets.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var clean strings.Builder
	for line := range strings.Lines(s) {
		field, _, _ := strings.Cut(line, "#")
		clean.WriteString(strings.Join(strings.Fields(field), ""))
	}
	b, err := hex.DecodeString(clean.String())
	if err != nil {
		t.Fatalf("decode golden octets: %v", err)
	}
	return b
}

var gsi = GSI{0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f}

// golden holds one packet of every type; options that OpenPGM never sends
// stand in packets of ours.
var golden = []struct {
	name string
	hex  string
	want Packet
}{
	{"SPM of a fresh source", `
		1d4d 1d4c 00 00 973d 0a0b0c0d0e0f 0000 # ports, type, flags, checksum, GSI, TSDU length
		00000000 00000000 ffffffff             # sequence, trail, lead
		0001 0000 0a000001                     # path NLA`,
		Packet{Type: SPM, SourcePort: 7501, DestPort: 7500, GSI: gsi, Lead: 0xFFFFFFFF,
			Path: netip.MustParseAddr("10.0.0.1")}},
	{"SPM with JOIN and FIN over IPv6", `
		1d4d 1d4c 00 01 0000 0a0b0c0d0e0f 0000
		00000007 00000002 00000009
		0002 0000 fe800000000000000000000000000001
		0004 0010                              # OPT_LENGTH 16
		0308 0000 00000004                     # OPT_JOIN 4
		8e04 0000                              # OPT_FIN, last`,
		Packet{Type: SPM, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 7, Trail: 2, Lead: 9,
			Path: netip.MustParseAddr("fe80::1"), Options: Options{Has: OptJoin.Bit() | OptFIN.Bit(), Join: 4}}},
	{"SPM with RST", `
		1d4d 1d4c 00 01 0000 0a0b0c0d0e0f 0000
		00000007 00000002 00000009
		0001 0000 0a000001
		0004 0008
		8f04 0003                              # OPT_RST, code 3`,
		Packet{Type: SPM, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 7, Trail: 2, Lead: 9,
			Path: netip.MustParseAddr("10.0.0.1"), Options: Options{Has: OptRST.Bit(), ResetCode: 3}}},
	{"ODATA of a fragmented APDU", `
		1d4d 1d4c 04 01 0000 0a0b0c0d0e0f 0005
		00000010 00000001
		0004 0014
		8110 0000 0000000f 00000578 00000800   # OPT_FRAGMENT first 15, offset 1400, length 2048
		68656c6c6f`,
		Packet{Type: ODATA, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 16, Trail: 1,
			Options: Options{Has: OptFragment.Bit(), Fragment: Fragment{15, 1400, 2048}}, Payload: []byte("hello")}},
	{"RDATA of odd length", `
		1d4d 1d4c 05 00 0000 0a0b0c0d0e0f 0003
		00000010 00000004
		616263`,
		Packet{Type: RDATA, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 16, Trail: 4, Payload: []byte("abc")}},
	{"NAK with a list", `
		1d4c 1d4d 08 03 0000 0a0b0c0d0e0f 0000 # ports swapped, options that matter to the network
		00000010
		0001 0000 0a000001
		0001 0000 efc00001
		0004 0010
		820c 0000 00000011 00000013            # OPT_NAK_LIST 17, 19`,
		Packet{Type: NAK, SourcePort: 7500, DestPort: 7501, GSI: gsi, Seq: 16,
			Source: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("239.192.0.1"),
			Options: Options{Has: OptNAKList.Bit(), NAKList: []Seq{17, 19}}}},
	{"NCF over IPv6", `
		1d4d 1d4c 0a 00 0000 0a0b0c0d0e0f 0000
		00000010
		0002 0000 fe800000000000000000000000000001
		0002 0000 ff020000000000000000000000004001`,
		Packet{Type: NCF, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 16,
			Source: netip.MustParseAddr("fe80::1"), Group: netip.MustParseAddr("ff02::4001")}},
	{"NNAK", `
		1d4c 1d4d 09 00 0000 0a0b0c0d0e0f 0000
		00000010 0001 0000 0a000001 0001 0000 efc00001`,
		Packet{Type: NNAK, SourcePort: 7500, DestPort: 7501, GSI: gsi, Seq: 16,
			Source: netip.MustParseAddr("10.0.0.1"), Group: netip.MustParseAddr("239.192.0.1")}},
	{"SPMR", `1d4c 1d4d 0c 00 0000 0a0b0c0d0e0f 0000`,
		Packet{Type: SPMR, SourcePort: 7500, DestPort: 7501, GSI: gsi}},
	{"POLL", `
		1d4d 1d4c 01 00 0000 0a0b0c0d0e0f 0000
		00000003 0002 0001 0001 0000 0a000001
		0000c350 deadbeef 000000ff`,
		Packet{Type: POLL, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 3, Path: netip.MustParseAddr("10.0.0.1"),
			Poll: Poll{Round: 2, SubType: 1, BackOff: 50000, Random: 0xdeadbeef, Mask: 0xff}}},
	{"POLR with a redirect", `
		1d4c 1d4d 02 03 0000 0a0b0c0d0e0f 0000
		00000003 0002 0000
		0004 0010
		870c 0000 0001 0000 0a000009`,
		Packet{Type: POLR, SourcePort: 7500, DestPort: 7501, GSI: gsi, Seq: 3, Poll: Poll{Round: 2},
			Options: Options{Has: OptRedirect.Bit(), Redirect: netip.MustParseAddr("10.0.0.9")}}},
	{"ACK with PGMCC feedback", `
		1d4c 1d4d 0d 01 0000 0a0b0c0d0e0f 0000
		00000020 fffffff7
		0004 0014
		9310 0000 000003e8 0001 0123 0a000002`,
		Packet{Type: ACK, SourcePort: 7500, DestPort: 7501, GSI: gsi, Seq: 32, Bitmap: 0xfffffff7,
			Options: Options{Has: OptCCFeedback.Bit(), CCFeedback: CongestionControl{1000, 0x123, netip.MustParseAddr("10.0.0.2")}}}},
	{"parity packet with every parity option", `
		1d4d 1d4c 05 c3 0000 0a0b0c0d0e0f 0001
		00000010 00000004
		0004 0024
		0808 0003 00000008                     # OPT_PARITY_PRM flags 3, groups of 8
		0908 0000 00000002                     # OPT_PARITY_GRP 2
		0a08 0000 00000005                     # OPT_CURR_TGSIZE 5
		0b04 0000                              # OPT_NBR_UNREACH
		8d04 0000                              # OPT_SYN
		7a`,
		Packet{Type: RDATA, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 16, Trail: 4, Parity: true, VarLen: true,
			Options: Options{Has: OptParityParams.Bit() | OptParityGroup.Bit() | OptCurrGroupSize.Bit() | OptNbrUnreachable.Bit() | OptSYN.Bit(),
				Parity: ParityParams{3, 8}, Group: 2, GroupSize: 5}, Payload: []byte("z")}},
	{"SPM with back-off, path, congestion options", `
		1d4d 1d4c 00 03 0000 0a0b0c0d0e0f 0000
		00000007 00000002 00000009 0001 0000 0a000001
		0004 004c
		040c 0000 0000c350 00000001            # OPT_NAK_BO_IVL 50 ms, 1
		050c 0000 0000c350 000003e8            # OPT_NAK_BO_RNG at most 50 ms, at least 1 ms
		0c0c 0000 0001 0000 0a000008           # OPT_PATH_NLA
		1010 0000 000102030405060708090a0b     # OPT_CR
		1104 0000                              # OPT_CRQST
		9210 0000 000003e8 0001 0000 0a000002  # PGMCC data`,
		Packet{Type: SPM, SourcePort: 7501, DestPort: 7500, GSI: gsi, Seq: 7, Trail: 2, Lead: 9, Path: netip.MustParseAddr("10.0.0.1"),
			Options: Options{Has: OptNAKBackOffIvl.Bit() | OptNAKBackOffRange.Bit() | OptPathNLA.Bit() | OptCongestion.Bit() | OptCongestionQuery.Bit() | OptCCData.Bit(),
				BackOffIvl: BackOffInterval{50000, 1}, BackOffRng: BackOffRange{50000, 1000}, PathNLA: netip.MustParseAddr("10.0.0.8"),
				Congestion: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, CCData: CongestionControl{1000, 0, netip.MustParseAddr("10.0.0.2")}}}},
}

// sealed returns the golden octets with their checksum filled in.
func sealed(t testing.TB, s string) []byte {
	b := unhex(t, s)
	if b[6] == 0 && b[7] == 0 {
		Seal(b)
	}
	return b
}

func TestGolden(t *testing.T) {
	for _, g := range golden {
		b := sealed(t, g.hex)
		if got := g.want.Append([]byte("before"))[6:]; !bytes.Equal(got, b) {
			t.Errorf("%s: append\n got %x\nwant %x", g.name, got, b)
		}
		var p Packet
		if err := p.Parse(b); err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		if got := p.Append(nil); !bytes.Equal(got, b) {
			t.Errorf("%s: parse and append\n got %x\nwant %x", g.name, got, b)
		}
		if (TSI{gsi, 7501}) != p.TSI() || p.DataPort() != 7500 {
			t.Errorf("%s: session %v to port %d, want %v to 7500", g.name, p.TSI(), p.DataPort(), TSI{gsi, 7501})
		}
	}
}

// TestFaults names each way in which octets can fail to be a packet.
func TestFaults(t *testing.T) {
	data := func(options string) string {
		return "1d4d 1d4c 04 01 0000 0a0b0c0d0e0f 0000 00000010 00000001" + options
	}
	for _, c := range []struct {
		name string
		hex  string
		want Fault
	}{
		{"empty", "", Short},
		{"header cut", "1d4d1d4c0000", Short},
		{"SPM body cut", "1d4d 1d4c 00 00 0000 0a0b0c0d0e0f 0000 00000000", Short},
		{"version 1", "1d4d 1d4c 44 00 0000 0a0b0c0d0e0f 0000 00000000 00000000", BadVersion},
		{"type 3", "1d4d 1d4c 03 00 0000 0a0b0c0d0e0f 0000 00000000 00000000", BadType},
		{"wrong checksum", "1d4d 1d4c 04 00 1234 0a0b0c0d0e0f 0000 00000000 00000000", BadChecksum},
		{"payload longer than said", "1d4d 1d4c 04 00 0000 0a0b0c0d0e0f 0001 00000000 00000000 6162", BadLength},
		{"payload shorter than said", "1d4d 1d4c 04 00 0000 0a0b0c0d0e0f 0003 00000000 00000000 6162", BadLength},
		{"family 3", "1d4d 1d4c 00 00 0000 0a0b0c0d0e0f 0000 00000000 00000000 ffffffff 0003 0000 0a000001", BadAddress},
		{"NAK of two families", "1d4c 1d4d 08 00 0000 0a0b0c0d0e0f 0000 00000010 0001 0000 0a000001 0002 0000 ff020000000000000000000000004001", BadAddress},
		{"options missing", data(""), Short},
		{"OPT_LENGTH of the wrong length", data("0005 0004"), BadOption},
		{"first option is not OPT_LENGTH", data("8308 0000 00000001"), BadOption},
		{"OPT_LENGTH says 3", data("8004 0003"), BadOption},
		{"OPT_LENGTH beyond the packet", data("0004 0100 8e04 0000"), OptionOverrun},
		{"no option marked last", data("0004 0008 0e04 0000"), OptionOverrun},
		{"octets after the last option", data("0004 000c 8e04 0000 0e04 0000"), OptionOverrun},
		{"option of length zero", data("0004 0008 0e00 0000"), BadOption},
		{"option beyond OPT_LENGTH", data("0004 0008 8e08 0000 00000000"), OptionOverrun},
		{"fragment option too short", data("0004 000c 8108 0000 00000000"), BadOption},
		{"join option too long", data("0004 0010 830c 0000 00000000 00000000"), BadOption},
		{"path option of family 9", data("0004 0010 8c0c 0000 0009 0000 00000000"), BadAddress},
		{"empty NAK list", data("0004 0008 8204 0000"), BadOption},
		{"NAK list of five octets", data("0004 000c 8209 0000 00000000"), OptionOverrun},
		{"17 options", data("0004 0044" + strings.Repeat("0e04 0000", 15) + "8e04 0000"), TooManyOptions},
		{"unknown option says discard", data("0004 0008 f004 0200"), Discard},
	} {
		b := unhex(t, c.hex)
		if len(b) >= HeaderLen && b[6] == 0 && b[7] == 0 {
			Seal(b)
		}
		var p Packet
		if err := p.Parse(b); err != c.want {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestUnknownOptionIsSkipped(t *testing.T) {
	b := sealed(t, "1d4d 1d4c 04 01 0000 0a0b0c0d0e0f 0001 00000010 00000001 0004 000c 7004 0000 8e04 0000 61")
	var p Packet
	if err := p.Parse(b); err != nil || !p.Options.Contains(OptFIN) || string(p.Payload) != "a" {
		t.Fatalf("got %v, FIN %v, payload %q", err, p.Options.Contains(OptFIN), p.Payload)
	}
}

func TestNoChecksum(t *testing.T) {
	var p Packet
	data := unhex(t, "1d4d 1d4c 04 00 0000 0a0b0c0d0e0f 0000 00000010 00000001")
	if err := p.Parse(data); err != NoChecksum {
		t.Errorf("ODATA without a checksum: got %v, want %v", err, NoChecksum)
	}
	spmr := unhex(t, "1d4c 1d4d 0c 00 0000 0a0b0c0d0e0f 0000")
	if err := p.Parse(spmr); err != nil {
		t.Errorf("SPMR without a checksum: %v", err)
	}
}

// TestRepair compares the patched checksum with one summed anew, for packets
// whose checksums cross every carry.
func TestRepair(t *testing.T) {
	for n := range 4096 {
		p := Packet{Type: ODATA, SourcePort: uint16(n * 16), DestPort: 7500, GSI: gsi, Seq: Seq(n * 7919), Trail: Seq(n * 104729), Payload: []byte{1, 2, byte(n)}}
		b := p.Append(nil)
		for _, trail := range []Seq{p.Trail, 0, 0xFFFFFFFF, Seq(n), 0xFFFF0000} {
			Repair(b, trail)
			p.Type, p.Trail = RDATA, trail
			if want := p.Append(nil); !bytes.Equal(b, want) {
				t.Fatalf("n %d trail %d\n got %x\nwant %x", n, trail, b, want)
			}
		}
	}
}

// TestSumOfEveryLength compares the wide sum with one of 16-bit words.
func TestSumOfEveryLength(t *testing.T) {
	b := make([]byte, 200)
	for i := range b {
		b[i] = byte(255 - i*i)
	}
	for n := range b {
		var plain uint32
		for i := 0; i < n; i += 2 {
			w := uint32(b[i]) << 8
			if i+1 < n {
				w |= uint32(b[i+1])
			}
			plain += w
		}
		for plain > 0xFFFF {
			plain = plain>>16 + plain&0xFFFF
		}
		if got := sum(b[:n]); got != uint16(plain) {
			t.Fatalf("%d octets: got %04x, want %04x", n, got, plain)
		}
	}
}

func TestSerialArithmetic(t *testing.T) {
	for _, c := range []struct {
		s, t   Seq
		before bool
		from   int
	}{
		{1, 2, true, -1}, {2, 1, false, 1}, {5, 5, false, 0},
		{0xFFFFFFFF, 0, true, -1}, {0, 0xFFFFFFFF, false, 1}, {0x7FFFFFFF, 0xFFFFFFFE, true, -0x7FFFFFFF},
	} {
		if c.s.Before(c.t) != c.before || c.t.After(c.s) != c.before || c.s.From(c.t) != c.from {
			t.Errorf("%d and %d: before %v, from %d", c.s, c.t, c.s.Before(c.t), c.s.From(c.t))
		}
	}
	if got := Seq(0xFFFFFFFF).Add(2); got != 1 {
		t.Errorf("0xffffffff + 2 = %d", got)
	}
	if got := Seq(3).Later(0xFFFFFFF0); got != 3 {
		t.Errorf("later of 3 and 0xfffffff0 = %d", got)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := sealed(t, golden[5].hex)
	var p Packet
	out := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		if p.Parse(b) == nil {
			out = p.Append(out[:0])
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
