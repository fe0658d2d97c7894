package faults

import (
	"strings"
	"testing"
	"time"
)

// The preferred host has IPv6 switched off, and the vip has an address of each family: it is
// said to be unable before it takes, does not take, and gets the vip when IPv6 is back.
func TestFamilySwitchedOff(t *testing.T) {
	t.Parallel()
	two := strings.Replace(pair4, `address = "192.0.2.10/24"`, "addresses = [\"192.0.2.10/24\", \"2001:db8::10/64\"]\ninterface = \"eth0\"", 1)
	s := newSite(t, two)
	s.a.host.Set("net/ipv6/conf/eth0/disable_ipv6", "1")
	s.a.run()
	s.b.run()
	s.answers(s.b)
	s.eventually("both say why", func() bool {
		return strings.Contains(s.a.alarms(), "IPv6 is off on eth0") && s.b.token(front).Holder == "hist-b"
	})
	for _, e := range s.b.token(front).Eligible {
		if e.Node == "hist-a" && (e.Fit || !strings.Contains(strings.Join(e.Reasons, ", "), "not possible on this host")) {
			t.Errorf("of hist-a its peer says: fit %v, %v", e.Fit, e.Reasons)
		}
	}
	if n := s.a.said("taking"); n != 0 {
		t.Errorf("it took %d times", n)
	}
	s.a.host.Set("net/ipv6/conf/eth0/disable_ipv6", "0")
	s.answers(s.a)
	off := time.Now()
	s.a.host.Set("net/ipv6/conf/all/disable_ipv6", "1") // while it holds
	s.answers(s.b)
	s.notTwoFor(off, 0)
}
