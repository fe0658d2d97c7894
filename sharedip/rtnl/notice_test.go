package rtnl

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzNews: whatever arrives on the kernel's socket, it is news, an answer or nothing,
// and no address among it is one that can't be.
func FuzzNews(f *testing.F) {
	v4, v6 := Change{Index: 3, Prefix: netip.MustParsePrefix("192.0.2.10/32")}, Change{Index: 3, Prefix: netip.MustParsePrefix("2001:db8::10/128")}
	came := AppendAddress(nil, unix.RTM_NEWADDR, 0, 7, v4, 3)
	f.Add(came)
	f.Add(slices.Concat(came, AppendAddress(nil, unix.RTM_DELADDR, 0, 8, v6, 3)))
	f.Add(message(unix.RTM_NEWLINK, 0, 1, linkRequest(3)))
	f.Add(message(unix.NLMSG_ERROR, 0, 1, []byte{0xff, 0xff, 0xff, 0xff}))
	f.Add(message(unix.NLMSG_ERROR, 0, 1, nil))
	f.Add(came[:len(came)-3])
	f.Fuzz(func(t *testing.T, octets []byte) {
		messages, err := syscall.ParseNetlinkMessage(octets)
		if err != nil {
			return
		}
		for _, n := range Notices(messages) {
			if n.Kind != LinkChanged && !n.Address.Prefix.IsValid() {
				t.Errorf("news of no address: %+v", n)
			}
		}
		for _, m := range messages {
			answerError(m)
			if l, ok := parseLink(m.Data); ok && l.Name == "" {
				t.Errorf("a link without a name: %+v", l)
			}
		}
	})
}
