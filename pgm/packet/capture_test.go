package packet

import (
	"bytes"
	"net/netip"
	"testing"
)

// captured are packets of OpenPGM 5.3.128 as they were seen on a cable.
var captured = []struct {
	name  string
	hex   string
	want  Packet
	exact bool // ours has the very same octets
}{
	{"SPM", "00341d4c00006c10998e2aa8a7b400000000000b0000000000000077000100000a000001",
		Packet{Type: SPM, SourcePort: 52, DestPort: 7500, Seq: 11, Lead: 0x77, Path: source}, true},
	{"SPM at the end", "00341d4c0001ddfd998e2aa8a7b400000000000c0000000000000077000100000a000001000400088e040000",
		Packet{Type: SPM, SourcePort: 52, DestPort: 7500, Seq: 12, Lead: 0x77, Path: source, Options: Options{Has: OptFIN.Bit()}}, true},
	{"ODATA", "00341d4c0400065e998e2aa8a7b400300000002a00000000000000000000002a000004e9cec9035b3a3b3c3d3e3f404142434445464748494a4b4c4d4e4f50515253545556575859",
		Packet{Type: ODATA, SourcePort: 52, DestPort: 7500, Seq: 42}, true},
	{"RDATA", "00341d4c05001b30998e2aa8a7b4003000000075000000000000000000000075000004e9d105360285868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4",
		Packet{Type: RDATA, SourcePort: 52, DestPort: 7500, Seq: 117}, true},
	{"last fragment", "12091d4c04017047998e2aa8a7b4005c000000030000000000040014811000000000000200000580000005dc8182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdc",
		Packet{Type: ODATA}, true},
	{"NAK", "1d4c003408002757998e2aa8a7b4000000000077000100000a00000100010000efc04d02",
		Packet{Type: NAK, SourcePort: 7500, DestPort: 52, Seq: 0x77, Source: source, Group: group}, true},
	// OpenPGM leaves what was in memory in an option's reserved octet.
	{"NAK with a list", "1d4c00340803caa2998e2aa8a7b4000000000033000100000a00000100010000efc04d020004002c8228d8000000003a000000470000004a0000004b0000004c0000004d0000004e0000004f00000050",
		Packet{Type: NAK, SourcePort: 7500, DestPort: 52, Seq: 0x33, Source: source, Group: group,
			Options: Options{Has: OptNAKList.Bit(), NAKList: []Seq{0x3a, 0x47, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50}}}, false},
	{"NCF with a list", "00341d4c0a03a0a3998e2aa8a7b4000000000033000100000a00000100010000efc04d020004002c822800000000003a000000470000004a0000004b0000004c0000004d0000004e0000004f00000050",
		Packet{Type: NCF, SourcePort: 52, DestPort: 7500, Seq: 0x33, Source: source, Group: group,
			Options: Options{Has: OptNAKList.Bit(), NAKList: []Seq{0x3a, 0x47, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f, 0x50}}}, true},
}

var (
	source = netip.MustParseAddr("10.0.0.1")
	group  = netip.MustParseAddr("239.192.77.2")
)

func TestCaptured(t *testing.T) {
	for _, c := range captured {
		b := unhex(t, c.hex)
		var p Packet
		if err := p.Parse(b); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := p.Append(nil); c.exact && !bytes.Equal(got, b) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, got, b)
		}
		if c.name == "last fragment" {
			f := p.Options.Fragment
			if f.Offset+uint32(len(p.Payload)) != f.Length || f.Length != 1500 || f.First != p.Seq-1 {
				t.Errorf("%s: %+v with %d octets, number %d", c.name, f, len(p.Payload), p.Seq)
			}
			continue
		}
		c.want.GSI, c.want.Payload = GSI{0x99, 0x8e, 0x2a, 0xa8, 0xa7, 0xb4}, p.Payload
		if want := c.want.Append(nil); c.exact && !bytes.Equal(want, b) {
			t.Errorf("%s: made from its fields\n got %x\nwant %x", c.name, want, b)
		}
		if p.Seq != c.want.Seq || p.Source != c.want.Source || p.Group != c.want.Group || len(p.Options.NAKList) != len(c.want.Options.NAKList) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}
