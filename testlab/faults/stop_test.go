package faults

import (
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// Both are started at once: one answers. Stopped by SIGTERM it resigns, ends
// well, and gets the address back when it returns; two never answer.
func TestStopAndReturn(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	s.audit(s.a)
	s.a.signal(syscall.SIGTERM)
	s.answers(s.b)
	if err := s.a.proc.Wait(t.Context()); err != nil {
		t.Errorf("a stopped daemon ends with %v", err)
	}
	s.audit(s.b)
	s.eventually("the journal says who resigned", func() bool { return s.b.said("taking from hist-a (peer-resigned)") == 1 })
	s.a.run()
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
	if s.b.said("dropping (priority)") == 0 {
		t.Error("the journal does not say that the address went back by priority")
	}
	for _, n := range []*node{s.a, s.b} {
		if text := n.alarms(); text != "" {
			t.Errorf("%s: alarms: %s", n.name, text)
		}
	}
}

// A cluster of IPv6 alone works like any other, also when power goes.
func TestIPv6Only(t *testing.T) {
	t.Parallel()
	s := siteOf(t, heartbeat+`[node.hist-a]
addresses = ["2001:db8::11", "2001:db8:1::1"]
priority = 200
[node.hist-b]
addresses = ["2001:db8::12", "2001:db8:1::2"]
[vip.front]
address = "2001:db8::10/64"
`, "2001:db8::10", [4]string{"2001:db8::11/64", "2001:db8:1::1/64", "2001:db8::12/64", "2001:db8:1::2/64"}, "2001:db8::100/64")
	s.start()
	s.audit(s.a)
	s.a.signal(syscall.SIGTERM)
	s.answers(s.b)
	s.audit(s.b)
	s.a.run()
	s.answers(s.a)
	s.a.host.Destroy()
	s.answers(s.b)
	s.oneAnswered(s.began)
}

// Two tokens with opposite priorities, one of several addresses of both families:
// each has its own host, one takes both, and they part again.
func TestTwoTokensOfSeveralAddresses(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4+`priorities = { hist-a = 300 }
[vip.other]
addresses = ["192.0.2.20/24", "192.0.2.21/24", "2001:db8::20/64"]
interface = "eth0"
priorities = { hist-a = 10, hist-b = 20 }
`)
	other := []string{"192.0.2.20", "192.0.2.21", "2001:db8::20"}
	apart := func() bool {
		return strings.Join(s.a.sharedAddresses(), " ") == "192.0.2.10" && strings.Join(s.b.sharedAddresses(), " ") == strings.Join(other, " ")
	}
	s.start()
	s.eventually("each token is on its own host", apart)
	s.b.signal(syscall.SIGTERM)
	s.b.proc.Wait(t.Context())
	s.audit(s.a, append(other, "192.0.2.10")...)
	s.b.run()
	s.eventually("each token is on its own host again", apart)
	s.oneAnswered(s.began)
}

// A service cable that is pulled moves the address, and put back returns it: the
// other network tells, nobody waits, two never answer.
func TestLinkDown(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	s.a.lan.Down()
	s.answers(s.b)
	if !strings.Contains(strings.Join(s.a.token(front).Eligible[0].Reasons, " "), "no carrier") {
		t.Errorf("hist-a says of itself: %+v", s.a.token(front).Eligible[0])
	}
	s.a.lan.Up()
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
	if s.a.said("dropping (link-down)") != 1 {
		t.Error("the journal does not name the cause")
	}
}

// An interface that is made anew: the peer takes, and the host comes back with it,
// on the path and on the address.
func TestInterfaceMadeAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	link, err := s.a.host.Handle().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.a.host.Handle().LinkDel(link); err != nil {
		t.Fatal(err)
	}
	s.answers(s.b)
	s.a.lan = s.a.host.Plug(s.lab.Switch("service"), "eth0", s.a.addrs[0])
	s.answers(s.a)
	s.audit(s.a)
	s.eventually("the path is up again", func() bool {
		paths := s.b.status().Nodes[1].Paths
		return len(paths) == 2 && paths[0].Up && paths[1].Up
	})
	s.oneAnswered(s.began)
}

// Two hundred addresses move together, and not one is left behind or doubled.
func TestTwoHundredAddresses(t *testing.T) {
	t.Parallel()
	config := pair4
	all := []string{"192.0.2.10"}
	for v := range 4 {
		var list []string
		for i := range 50 {
			addr := strings.Join([]string{"10", "1", strconv.Itoa(v), strconv.Itoa(1 + i)}, ".")
			list, all = append(list, `"`+addr+`/16"`), append(all, addr)
		}
		config += "[vip.v" + strconv.Itoa(v) + "]\ninterface = \"eth0\"\naddresses = [" + strings.Join(list, ", ") + "]\n"
	}
	s := newSite(t, config)
	s.start()
	s.audit(s.a, all...)
	s.a.signal(syscall.SIGTERM)
	s.answers(s.b)
	s.audit(s.b, all...)
	s.a.run()
	s.audit(s.a, all...)
	s.oneAnswered(s.began)
}

// Someone who removes the address gets it back at once and a line in the journal;
// one who goes on hands it to the other host.
func TestRemovalByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	if !s.a.removeByHand() {
		t.Fatal("nothing to remove")
	}
	s.audit(s.a)
	s.eventually("the journal tells of it", func() bool { return s.a.said("somebody removed 192.0.2.10; put back") == 1 })
	for end := time.Now().Add(limit); s.a.said("somebody keeps removing") == 0; {
		s.a.removeByHand()
		if time.Now().After(end) {
			t.Fatal("it never gives in")
		}
	}
	s.answers(s.b)
	s.audit(s.b)
	s.oneAnswered(s.began)
	if e := s.a.token(front).Eligible[0]; e.Fit {
		t.Errorf("hist-a calls itself %+v", e)
	}
}

// removeByHand takes the shared address off as an administrator would.
func (n *node) removeByHand() bool {
	link, err := n.host.Handle().LinkByName("eth0")
	if err != nil {
		return false
	}
	return n.host.Handle().AddrDel(link, &netlink.Addr{IPNet: &net.IPNet{IP: n.site.shared.AsSlice(), Mask: net.CIDRMask(32, 32)}}) == nil
}
