package neighbor

import (
	"encoding/hex"
	"net/netip"
	"testing"
)

var (
	shared4   = netip.MustParseAddr("192.0.2.10")
	shared6   = netip.MustParseAddr("2001:db8::10")
	nodeAddrs = []netip.Addr{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}
	gateway4  = netip.MustParseAddr("192.0.2.254")
	gateway6  = netip.MustParseAddr("2001:db8::fe")
)

// mustHex is a frame as it is on the wire.
func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	toAll   = "ffffffffffff" + "020000000005"
	arpHead = toAll + "0806" + "0001080006040"
	ndHead  = "333300000001" + "020000000005" + "86dd" + "60000000" + "0020" + "3aff"
	db8     = "20010db80000000000000000000000"
	all1    = "ff020000000000000000000000000001"
)

var observations = []struct {
	name, frame string
	want        Observation
}{
	{"ARP request", arpHead + "001" + "020000000006" + "c000020a" + "000000000000" + "c0000209",
		Observation{Kind: Announcement, Addr: shared4, MAC: MAC{2, 0, 0, 0, 0, 6}, Peer: netip.MustParseAddr("192.0.2.9")}},
	{"ARP reply", arpHead + "002" + "020000000006" + "c000020a" + "020000000007" + "c0000209" + "0000",
		Observation{Kind: Reply, Addr: shared4, MAC: MAC{2, 0, 0, 0, 0, 6}, Peer: netip.MustParseAddr("192.0.2.9")}},
	{"ARP probe", arpHead + "001" + "020000000006" + "00000000" + "000000000000" + "c000020a",
		Observation{Kind: Probe, Addr: shared4, MAC: MAC{2, 0, 0, 0, 0, 6}, Peer: shared4}},
	{"NA", ndHead + db8 + "10" + all1 + "8800" + "0000" + "20000000" + db8 + "10" + "0201" + "020000000006",
		Observation{Kind: Announcement, Addr: shared6, MAC: MAC{2, 0, 0, 0, 0, 6}, Peer: AllNodes}},
	{"NA, solicited, without option", ndHead + db8 + "10" + db8 + "09" + "8800" + "0000" + "60000000" + db8 + "10",
		Observation{Kind: Reply, Addr: shared6, MAC: MAC{2, 0, 0, 0, 0, 5}, Peer: netip.MustParseAddr("2001:db8::9")}},
	{"NS", ndHead + db8 + "10" + all1 + "8700" + "0000" + "00000000" + db8 + "09" + "0101" + "020000000006",
		Observation{Kind: Announcement, Addr: shared6, MAC: MAC{2, 0, 0, 0, 0, 6}, Peer: netip.MustParseAddr("2001:db8::9")}},
	{"probe", ndHead + db8 + "05" + all1 + "8700" + "0000" + "00000000" + db8 + "10" + "0101" + "020000000006" + "0e01" + "010203040506",
		Observation{Kind: Probe, Addr: shared6, MAC: MAC{2, 0, 0, 0, 0, 5}}},
	{"IPv4", toAll + "0800" + "4500001400000000" + "40110000" + "c0000209" + "c000020a",
		Observation{Kind: Traffic, Addr: shared4, MAC: MAC{2, 0, 0, 0, 0, 5}, Peer: netip.MustParseAddr("192.0.2.9")}},
	{"ND through a router", "333300000001" + "020000000005" + "86dd" + "60000000" + "0018" + "3afe" + db8 + "09" + db8 + "10" + "8800" + "0000" + "20000000" + db8 + "10",
		Observation{Kind: Traffic, Addr: shared6, MAC: MAC{2, 0, 0, 0, 0, 5}, Peer: netip.MustParseAddr("2001:db8::9")}},
}

func TestParse(t *testing.T) {
	for _, row := range observations {
		f := mustHex(t, row.frame)
		row.want.Index, row.want.ToThisCard = 7, true
		if got, ok := Parse(ReceivedFrame{f, 7, true}); !ok || got != row.want {
			t.Errorf("%s:\n got %+v %v\nwant %+v", row.name, got, ok, row.want)
		}
	}
	for name, f := range map[string]string{
		"empty":             "",
		"ARP, cut":          arpHead + "001" + "020000000006" + "c000020a" + "000000000000" + "c00002",
		"ARP of token ring": toAll + "0806" + "0006080006040001" + "020000000006" + "c000020a" + "000000000000" + "c0000209",
		"RARP in ARP":       arpHead + "003" + "020000000006" + "c000020a" + "000000000000" + "c0000209",
		"LLDP":              toAll + "88cc" + "00000000",
	} {
		if got, ok := Parse(ReceivedFrame{Frame: mustHex(t, f)}); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, row := range observations {
		f.Add(mustHex(f, row.frame))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := Parse(ReceivedFrame{Frame: b[:min(len(b), snapLength)]})
		if ok && (!s.Addr.IsValid() || s.Kind > Traffic) {
			t.Errorf("%+v", s)
		}
	})
}
