package multicast

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
)

func isDeadline(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

const port = 7000

// family is what a test needs to run over IPv4 and IPv6 alike.
type family struct {
	name         string
	group, other netip.Addr
	of           func(*host) netip.Addr
	bits         int
}

var families = []family{
	{"IPv4", netip.MustParseAddr("239.192.77.1"), netip.MustParseAddr("239.192.77.2"), func(h *host) netip.Addr { return h.v4 }, 24},
	{"IPv6", netip.MustParseAddr("ff05::7:1"), netip.MustParseAddr("ff05::7:2"), func(h *host) netip.Addr { return h.v6 }, 64},
}

// overBoth runs a test over both families, each between two fresh hosts.
func overBoth(t *testing.T, test func(t *testing.T, f family, a, b *host)) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			a, b := newLAN(t)
			test(t, f, a, b)
		})
	}
}

// path are the usual options of a host: its address, the group, one port.
func (f family) path(h *host) Options {
	return Options{Local: f.of(h), Port: port, Group: netip.AddrPortFrom(f.group, port)}
}

// at is a host's unicast address and port.
func (f family) at(h *host) netip.AddrPort { return netip.AddrPortFrom(f.of(h), port) }

func TestUnicastAndMulticastBetweenTwoHosts(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		must(t, ca.Send([]byte("to one"), f.at(b)))
		if got := expect(t, cb.Unicast(), "to one", f.at(a)); got.Multicast {
			t.Error("unicast is marked as multicast")
		}
		must(t, ca.SendGroup([]byte("to all")))
		if got := expect(t, cb.Group(), "to all", f.at(a)); !got.Multicast {
			t.Error("multicast is not marked")
		}
		expectNone(t, cb.Unicast())
		expectNone(t, ca.Group()) // loopback is off by default
		if got := cb.Unicast().Local(); got != f.at(b) {
			t.Errorf("bound to %v, want %v", got, f.at(b))
		}
	})
}

func TestCloseEndsARead(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		c := a.open(f.path(a))
		for _, s := range []*Socket{c.Unicast(), c.Group()} {
			ended := make(chan error)
			go func() {
				_, err := s.Read(NewBatch(1, 64))
				ended <- err
			}()
			must(t, s.Close())
			if err := <-ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read ended with %v, want net.ErrClosed", err)
			}
		}
	})
}
