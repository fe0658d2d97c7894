package faults

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// putThere adds an address to one of the host's interfaces, as another program would.
func (n *node) putThere(card, prefix string) {
	n.site.t.Helper()
	p := netip.MustParsePrefix(prefix)
	link, err := n.host.Handle().LinkByName(card)
	if err == nil {
		err = n.host.Handle().AddrReplace(link, &netlink.Addr{Flags: unix.IFA_F_NODAD,
			IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}})
	}
	if err != nil {
		n.site.t.Fatal(err)
	}
}

// Another program puts the shared address on the standby, before its daemon starts or
// after, with another length or on another interface. The standby stays silent, whatever
// becomes of its daemon, and says so; it serves when the holder is gone.
func TestAddressThatOthersPutOnTheStandby(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		card, prefix string
		before       bool
	}{
		"with its network, before the start":    {"eth0", "192.0.2.10/24", true},
		"alone, after the start":                {"eth0", "192.0.2.10/32", false},
		"on loopback, before the start":         {"lo", "192.0.2.10/32", true},
		"on the other network, after the start": {"eth1", "192.0.2.10/32", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, pair4)
			if row.before {
				s.b.putThere(row.card, row.prefix)
			}
			s.start()
			if !row.before {
				s.b.putThere(row.card, row.prefix)
			}
			s.eventually("an alarm", func() bool { return strings.Contains(s.b.alarms(), "by someone else") })
			since := time.Now()
			s.answers(s.a)
			if out, code := s.b.verb("suspend", "--run-dir", runDir, "--force"); code != 0 {
				t.Fatalf("suspend: %d: %s", code, out)
			}
			s.answers(s.a)
			if out, code := s.b.verb("resume", "--run-dir", runDir); code != 0 {
				t.Fatalf("resume: %d: %s", code, out)
			}
			s.b.signal(syscall.SIGTERM)
			s.eventually("the end of its daemon", func() bool { return !s.b.proc.Alive() })
			s.answers(s.a)
			s.b.run()
			s.eventually("they hear each other", func() bool {
				st, err := s.b.control().Status(t.Context())
				return err == nil && st.Nodes[0].State == "up"
			})
			s.silent(s.b, since)
			s.a.host.CutPower()
			s.answers(s.b)
		})
	}
}

// An address that a held token gains by a reload is silenced with the others when its
// daemon stops.
func TestGainedAddressIsSilenced(t *testing.T) {
	t.Parallel()
	s := newSite(t, stays)
	s.startInOrder()
	gained := netip.MustParseAddr("192.0.2.30")
	more := strings.Replace(stays, `address = "192.0.2.10/24"`, `addresses = ["192.0.2.10/24", "192.0.2.30/24"]`, 1)
	for _, n := range []*node{s.a, s.b} {
		n.configure(more)
		n.signal(syscall.SIGHUP)
	}
	s.audit(s.a, s.shared.String(), gained.String())
	witness := s.client.Port("eth0").Witness(gained, 5*time.Millisecond)
	s.eventually("the gained address answers", func() bool { return !witness.LastAsked("hist-a").IsZero() })
	s.a.signal(syscall.SIGSTOP)
	s.eventually("the other took", func() bool { return s.b.token(front).Holder == "hist-b" })
	expiry := s.a.expiry()
	s.answers(s.b)
	if last := witness.LastAsked("hist-a").Sub(expiry); last > time.Millisecond {
		t.Errorf("the gained address answered what was asked %v after the lease's end", last)
	}
	s.eventually("the gained address answers on the other", func() bool { return !witness.LastAsked("hist-b").IsZero() })
	s.a.signal(syscall.SIGCONT)
	s.audit(s.b, s.shared.String(), gained.String())
}
