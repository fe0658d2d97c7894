package multicast

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// quiet is how long a test listens for what must not happen. What is asked for
// was sent to this host's kernel before; it would be there.
const quiet = 20 * time.Millisecond

// port is the port of every test.
const port = 7000

// host is a machine with a card in a network, and its addresses there.
type host struct {
	*rig.Host
	t    *testing.T
	card string
	v4   netip.Addr
	v6   netip.Addr
}

// newLAN makes two hosts on one switch: 10.0.0.1 and 10.0.0.2, fd00::1 and
// fd00::2, both on eth0.
func newLAN(t *testing.T) (a, b *host) {
	t.Helper()
	lab := rig.Start(t)
	lan := lab.Switch("lan")
	a, b = plug(t, lab.Host("a"), lan, "eth0", 0, 1), plug(t, lab.Host("b"), lan, "eth0", 0, 2)
	meet(a, b)
	return a, b
}

// meet waits until the switch lets two hosts hear each other: a card may carry
// before the switch's port forwards.
func meet(a, b *host) {
	a.t.Helper()
	o := func(h *host) Options {
		return Options{Local: h.v4, Group: netip.MustParseAddrPort("239.192.1.1:1"), Port: 1}
	}
	ca, cb := a.open(o(a)), b.open(o(b))
	hears(a.t, ca, cb.Group())
	hears(a.t, cb, ca.Group())
	must(a.t, ca.Close())
	must(a.t, cb.Close())
}

// hears waits until what one sends to the group from now on arrives at the other.
func hears(t *testing.T, from *Conn, by *Socket) {
	t.Helper()
	hello, batch := rand.Text(), NewBatch(1, 2048)
	eventually(t, "the group is heard", func() bool {
		if err := from.SendGroup([]byte(hello)); err != nil && !Transient(err) {
			t.Fatal(err)
		}
		must(t, by.SetReadDeadline(time.Now().Add(quiet)))
		n, _ := by.Read(batch)
		return n == 1 && string(batch[0].Data) == hello
	})
}

// plug gives a machine a card in network 10.0.net.0/24 and fd00:net::/64.
func plug(t *testing.T, machine *rig.Host, sw *rig.Switch, card string, net, number byte) *host {
	h := &host{
		Host: machine, t: t, card: card,
		v4: netip.AddrFrom4([4]byte{10, 0, net, number}),
		v6: netip.AddrFrom16([16]byte{0: 0xfd, 3: net, 15: number}),
	}
	machine.Plug(sw, card, netip.PrefixFrom(h.v4, 24), netip.PrefixFrom(h.v6, 64))
	return h
}

// open opens a path of the host, closed when the test ends.
func (h *host) open(o Options) (c *Conn) {
	h.t.Helper()
	must(h.t, h.Do(func() (err error) { c, err = Open(o); return err }))
	h.t.Cleanup(func() { c.Close() })
	return c
}

// join joins one more group.
func (h *host) join(c *Conn, group netip.AddrPort) (s *Socket) {
	h.t.Helper()
	must(h.t, h.Do(func() (err error) { s, err = c.Join(group); return err }))
	h.t.Cleanup(func() { s.Close() })
	return s
}

// link is the host's card.
func (h *host) link() netlink.Link {
	h.t.Helper()
	link, err := h.Handle().LinkByName(h.card)
	must(h.t, err)
	return link
}

// address is an address as netlink takes it; IPv6 without the search for
// duplicates.
func address(addr netip.Addr, bits int) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// addAddr gives the card an address.
func (h *host) addAddr(addr netip.Addr, bits int) {
	h.t.Helper()
	must(h.t, h.Handle().AddrReplace(h.link(), address(addr, bits)))
}

// delAddr takes an address from the card.
func (h *host) delAddr(addr netip.Addr, bits int) {
	h.t.Helper()
	must(h.t, h.Handle().AddrDel(h.link(), address(addr, bits)))
}

// family is what a test needs to run over IPv4 and IPv6 alike.
type family struct {
	name         string
	group, other netip.Addr
	of           func(*host) netip.Addr
	bits, max    int // of a prefix
}

var families = []family{
	{"IPv4", netip.MustParseAddr("239.192.77.1"), netip.MustParseAddr("239.192.77.2"),
		func(h *host) netip.Addr { return h.v4 }, 24, 32},
	{"IPv6", netip.MustParseAddr("ff05::7:1"), netip.MustParseAddr("ff05::7:2"),
		func(h *host) netip.Addr { return h.v6 }, 64, 128},
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

// expect reads one datagram and compares what it holds and who sent it.
func expect(t *testing.T, s *Socket, want string, from netip.AddrPort) Datagram {
	t.Helper()
	batch := NewBatch(1, 2048)
	must(t, s.SetReadDeadline(time.Now().Add(patience)))
	if _, err := s.Read(batch); err != nil {
		t.Fatalf("waiting for %q: %v", want, err)
	}
	if got := batch[0]; string(got.Data) != want || got.Addr != from {
		t.Fatalf("got %q from %v, want %q from %v", got.Data, got.Addr, want, from)
	}
	return batch[0]
}

// expectNone fails when something arrives.
func expectNone(t *testing.T, s *Socket) {
	t.Helper()
	batch := NewBatch(1, 2048)
	must(t, s.SetReadDeadline(time.Now().Add(quiet)))
	if n, err := s.Read(batch); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %q from %v (%v), want nothing", batch[0].Data, batch[0].Addr, err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
