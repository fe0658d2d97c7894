package rtnl

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// hexBytes reads hex digits, of which each line may end in a comment.
func hexBytes(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "//")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Numbers stand in the order of a little-endian machine.
func TestAddressMessage(t *testing.T) {
	if unix.NLM_F_REQUEST != 1 || hex.EncodeToString(appendHeader(nil, 1, 0, 0, 0))[:2] != "01" {
		t.Skip("the bytes here are those of a little-endian machine")
	}
	for _, row := range []struct {
		prefix, want string
	}{
		{"192.0.2.10/32", `
			58000000 1400 0105 07000000 00000000 // length, RTM_NEWADDR, request replace create, sequence, port
			02 20 00 fe 03000000                 // AF_INET, /32, flags, scope host, interface 3
			0800 0200 c000020a                   // IFA_LOCAL
			0800 0100 c000020a                   // IFA_ADDRESS
			1400 0600 00000000 03000000 00000000 00000000 // IFA_CACHEINFO: preferred 0, valid 3
			0800 0800 00000000                   // IFA_FLAGS
			1400 0300 65746830 3a766970 00000000 00000000 // IFA_LABEL: eth0:vip`},
		{"2001:db8::10/128", `
			5c000000 1400 0105 07000000 00000000
			0a 80 00 00 03000000                 // AF_INET6, /128, flags, scope universe, interface 3
			1400 0200 20010db8000000000000000000000010
			1400 0100 20010db8000000000000000000000010
			1400 0600 00000000 03000000 00000000 00000000
			0800 0800 02020000                   // nodad, no prefix route`},
	} {
		c := Change{3, netip.MustParsePrefix(row.prefix), AddressLabel("eth0")}
		got := AppendAddress(nil, unix.RTM_NEWADDR, unix.NLM_F_REQUEST|ReplaceExisting, 7, c, 3)
		if want := hexBytes(t, row.want); hex.EncodeToString(got) != hex.EncodeToString(want) {
			t.Errorf("%s\n got %x\nwant %x", row.prefix, got, want)
		}
		a, ok := parseAddress(got[unix.NLMSG_HDRLEN:])
		if !ok || a.Prefix != c.Prefix || a.Index != 3 || a.Valid != 3 || !a.IsShared() {
			t.Errorf("%s read back as %+v, %v", row.prefix, a, ok)
		}
	}
}

// Whatever the bytes, parsing ends and reads none that aren't there.
func FuzzParse(f *testing.F) {
	for _, p := range []string{"192.0.2.10/32", "2001:db8::10/128"} {
		b := AppendAddress(nil, unix.RTM_NEWADDR, 0, 0, Change{3, netip.MustParsePrefix(p), AddressLabel("eth0")}, 3)
		f.Add(b[unix.NLMSG_HDRLEN:])
	}
	l := append(make([]byte, unix.SizeofIfInfomsg), 9, 0, unix.IFLA_IFNAME, 0, 'e', 't', 'h', '0', 0, 0, 0, 0)
	f.Add(l)
	f.Add(l[:len(l)-3])                                                            // the last attribute without its padding
	f.Add(append(make([]byte, unix.SizeofIfInfomsg), 200, 0, unix.IFLA_IFNAME, 0)) // claims more than there is
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, ok := parseAddress(b); ok && !a.Prefix.IsValid() {
			t.Errorf("an address that is none: %+v", a)
		}
		if l, ok := parseLink(b); ok && l.Name == "" {
			t.Errorf("a link without a name: %+v", l)
		}
	})
}
