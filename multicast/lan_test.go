package multicast

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// quiet is how long a test listens for what must not happen. It runs only after
// something that was sent later has arrived, so it need not be long.
const quiet = 20 * time.Millisecond

// host is a network namespace of its own with eth0 in it.
type host struct {
	t  *testing.T
	ns netns.NsHandle
	nl *netlink.Handle
	v4 netip.Addr
	v6 netip.Addr
}

// newLAN makes hosts 10.0.0.1, 10.0.0.2 and so on, fd00::1 and so on, with a
// cable between the first two: eth0 on both ends.
func newLAN(t *testing.T) (a, b *host) {
	t.Helper()
	rig.Need(t, rig.Netns)
	a, b = newHost(t, 1), newHost(t, 2)
	cable := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: "eth0"},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsFd(int(b.ns)),
	}
	must(t, a.nl.LinkAdd(cable))
	for _, h := range []*host{a, b} {
		must(t, h.nl.LinkSetUp(h.link("lo")))
		must(t, h.nl.LinkSetUp(h.link("eth0")))
		h.addAddr(h.v4, 24)
		h.addAddr(h.v6, 64)
	}
	a.waitUp()
	b.waitUp()
	return a, b
}

// newHost makes a namespace. Its thread is thrown away.
func newHost(t *testing.T, number byte) *host {
	t.Helper()
	made := make(chan netns.NsHandle, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			made <- netns.None()
			return
		}
		ns, _ := netns.Get()
		made <- ns
	}()
	ns := <-made
	if ns <= 0 {
		t.Fatal("no network namespace")
	}
	nl, err := netlink.NewHandleAt(ns)
	must(t, err)
	h := &host{
		t: t, ns: ns, nl: nl,
		v4: netip.AddrFrom4([4]byte{10, 0, 0, number}),
		v6: netip.AddrFrom16([16]byte{0: 0xfd, 15: number}),
	}
	t.Cleanup(func() { nl.Close(); ns.Close() })
	return h
}

// in runs f on a thread inside the host.
func (h *host) in(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := netns.Set(h.ns); err != nil {
			h.t.Errorf("enter host: %v", err)
			return
		}
		f()
	}()
	<-done
}

// open opens a path of the host, closed when the test ends.
func (h *host) open(o Options) *Conn {
	h.t.Helper()
	var c *Conn
	var err error
	h.in(func() { c, err = Open(o) })
	must(h.t, err)
	h.t.Cleanup(func() { c.Close() })
	return c
}

// join joins one more group.
func (h *host) join(c *Conn, group netip.AddrPort) *Socket {
	h.t.Helper()
	var s *Socket
	var err error
	h.in(func() { s, err = c.Join(group) })
	must(h.t, err)
	return s
}

func (h *host) link(name string) netlink.Link {
	h.t.Helper()
	link, err := h.nl.LinkByName(name)
	must(h.t, err)
	return link
}

// addr is an address as netlink takes it; IPv6 without the wait for duplicates.
func (h *host) addr(addr netip.Addr, bits int) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}}
	if addr.Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

func (h *host) addAddr(addr netip.Addr, bits int) {
	h.t.Helper()
	must(h.t, h.nl.AddrAdd(h.link("eth0"), h.addr(addr, bits)))
}

func (h *host) delAddr(addr netip.Addr, bits int) {
	h.t.Helper()
	must(h.t, h.nl.AddrDel(h.link("eth0"), h.addr(addr, bits)))
}

// waitUp waits until eth0 carries traffic.
func (h *host) waitUp() {
	h.t.Helper()
	eventually(h.t, "eth0 is up", func() bool {
		return h.link("eth0").Attrs().OperState == netlink.OperUp
	})
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

// read reads one batch.
func read(t *testing.T, s *Socket, batch []Datagram) []Datagram {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	n, err := s.Read(batch)
	must(t, err)
	return batch[:n]
}

// expect reads one datagram and compares what it holds and who sent it.
func expect(t *testing.T, s *Socket, want string, from netip.AddrPort) Datagram {
	t.Helper()
	got := read(t, s, NewBatch(1, 2048))[0]
	if string(got.Data) != want || got.Addr != from {
		t.Fatalf("got %q from %v, want %q from %v", got.Data, got.Addr, want, from)
	}
	return got
}

// expectNone fails when something arrives.
func expectNone(t *testing.T, s *Socket) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(quiet))
	batch := NewBatch(1, 2048)
	n, err := s.Read(batch)
	if n != 0 || !os.IsTimeout(err) && !isDeadline(err) {
		t.Fatalf("got %q from %v (%v), want nothing", batch[0].Data, batch[0].Addr, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text is a payload with a number in it.
func text(i int) []byte { return fmt.Appendf(nil, "datagram %04d", i) }
