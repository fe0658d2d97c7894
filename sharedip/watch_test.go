package sharedip

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
	"vipd/sharedip/announce"
	"vipd/sharedip/rtnl"

	"golang.org/x/sys/unix"
)

func TestPutBack(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.take("vip:front", 1)
	for _, p := range []netip.Prefix{vip4, vip6} {
		w.removeByHand(p)
		w.is(AddressGone{"vip:front", p, 1})
		if !w.has(p) {
			t.Errorf("%s has not been put back", p)
		}
	}
	if got := w.hands.Counters().PutBack; got != 2 {
		t.Errorf("%d put back, want 2", got)
	}
}

func TestOwnDropIsNotPutBack(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	for epoch := range uint64(20) {
		w.take("vip:front", epoch)
		w.drop("vip:front")
	}
	w.take("vip:front", 20)
	w.removeByHand(vip4) // the news of this one comes after all of the above
	w.await("the removal by hand", func() bool { return w.hands.Counters().PutBack > 0 })
	if got := w.hands.Counters().PutBack; got != 1 {
		t.Errorf("%d put back, want 1", got)
	}
	if w.told(func(e Event) bool { _, lost := e.(AddressLost); return lost }) {
		t.Error("news of an address that is there again was taken for a loss")
	}
}

func TestFought(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.take("vip:front", 1)
	for i := range fightRemovals {
		w.await("the address", func() bool { return w.has(vip4) })
		w.removeByHand(vip4)
		w.is(AddressGone{"vip:front", vip4, i + 1})
	}
	w.is(Fought{"vip:front"})
	w.removeByHand(vip4)
	if err := w.hands.Renew(); err != nil {
		t.Fatal(err)
	}
	if w.has(vip4) {
		t.Error("put back after the fight was given up")
	}
	w.take("vip:front", 2) // a new tenure begins a new count
	w.removeByHand(vip4)
	w.await("the address", func() bool { return w.has(vip4) })
}

// is waits for one event.
func (w *world) is(e Event) {
	w.t.Helper()
	w.await(fmt.Sprintf("%T%+v", e, e), func() bool { return w.told(func(got Event) bool { return got == e }) })
}

func TestCarrier(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	w.is(LinkUp{"eth0"})
	w.port.Down()
	w.is(LinkDown{"eth0"})
	if w.hands.Links()["eth0"].Carrier {
		t.Error("Links still shows a carrier")
	}
	frames := w.listen(unix.ETH_P_IPV6)
	w.port.Up()
	w.await("the carrier", func() bool { return w.hands.Links()["eth0"].Carrier })
	w.next(frames, isNA) // announced again, for the switches that forgot
}

// The kernel may keep its word on a carrier back for most of a second; here for
// good. The state of the card itself tells all the same.
func TestCarrierWithoutEvents(t *testing.T) {
	w := newWorld(t, both...)
	w.hands.watch.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, unix.RTNLGRP_LINK)
	})
	w.run()
	w.is(LinkUp{"eth0"})
	w.port.Down()
	w.is(LinkDown{"eth0"})
}

func TestTakeWithoutCarrier(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.port.Down()
	w.is(LinkDown{"eth0"})
	w.take("vip:front", 1)
	if !w.told(func(e Event) bool { f, ok := e.(AnnounceFailed); return ok && f.Prefix == vip6 }) {
		t.Error("nobody was told that nobody was told")
	}
	frames := w.listen(unix.ETH_P_IPV6)
	w.port.Up()
	w.next(frames, isNA)
}

// IPv6 loses its addresses when a card is set down; that is no fight.
func TestCardSetDown(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	frames := w.listen(unix.ETH_P_IPV6)
	card, err := w.node.Handle().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	w.node.Handle().LinkSetDown(card)
	w.await("the removal", func() bool { return !w.has(vip6) })
	w.is(LinkDown{"eth0"})
	w.node.Handle().LinkSetUp(card)
	w.next(frames, isNA)
	w.await("the address", func() bool { return w.has(vip6) && w.has(vip4) })
	if w.told(func(e Event) bool { _, gone := e.(AddressGone); return gone }) {
		t.Error("taken for a removal by someone")
	}
}

func TestRenamedRecreatedAndNewMAC(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	node := w.node.Handle()
	card, err := node.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 7}
	frames := w.listen(unix.ETH_P_ARP)
	if err := node.LinkSetHardwareAddr(card, mac); err != nil {
		t.Fatal(err)
	}
	w.next(frames, func(f []byte) bool { // announced with the new address
		return net.HardwareAddr(f[6:12]).String() == mac.String() && netip.AddrFrom4([4]byte(f[28:32])) == vip4.Addr()
	})

	node.LinkSetDown(card)
	if err := node.LinkSetName(card, "lan0"); err != nil {
		t.Fatal(err)
	}
	node.LinkSetUp(card)
	w.await("the new name", func() bool {
		_, old := w.hands.Links()["eth0"]
		return w.hands.Links()["lan0"].Carrier && !old
	})
	w.await("both addresses", func() bool { return w.has(vip4) && w.has(vip6) })

	if err := node.LinkDel(card); err != nil {
		t.Fatal(err)
	}
	w.is(LinkDown{"lan0"})
	w.node.Plug(w.lan, "eth0", netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"))
	w.await("both addresses on the new card", func() bool { return w.has(vip4) && w.has(vip6) })
	w.next(frames, func(f []byte) bool {
		return net.HardwareAddr(f[6:12]).String() == w.port.MAC().String() && netip.AddrFrom4([4]byte(f[28:32])) == vip4.Addr()
	})
}

// More news than the socket holds, and in it the removal of a held address.
func TestOverrun(t *testing.T) {
	w := newWorld(t, both...)
	// The smallest buffer the kernel gives, so that one burst overruns it.
	w.hands.watch.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	})
	w.run()
	w.take("vip:front", 1)
	var other *rtnl.Conn
	err := w.node.Do(func() (err error) { other, err = rtnl.Dial(0); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	w.await("an overrun", func() bool {
		flood(w, other)
		return w.hands.Counters().Resyncs > 0
	})
	w.await("the address", func() bool { return w.has(vip4) })
	w.is(AddressGone{"vip:front", vip4, 1})
}

// flood changes a hundred addresses in one system call, at last the held one.
func flood(w *world, c *rtnl.Conn) {
	w.t.Helper()
	loopback := netip.MustParseAddr("127.1.0.1")
	var b []byte
	for seq := range uint32(100) {
		b = rtnl.AppendAddress(b, unix.RTM_NEWADDR, unix.NLM_F_REQUEST|rtnl.ReplaceExisting, seq, rtnl.Change{Index: 1, Prefix: single(loopback)}, 60)
		loopback = loopback.Next()
	}
	held := rtnl.Change{Index: w.port.Index(), Prefix: single(vip4.Addr())}
	err := c.Send(rtnl.AppendAddress(b, unix.RTM_DELADDR, unix.NLM_F_REQUEST, 100, held, 0))
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestMessageNotFromTheKernel(t *testing.T) {
	w := newWorld(t, both...)
	w.run()
	w.take("vip:front", 1)
	var port uint32
	w.hands.watch.Control(func(fd uintptr) {
		name, _ := unix.Getsockname(int(fd))
		port = name.(*unix.SockaddrNetlink).Pid
	})
	forged := rtnl.AppendAddress(nil, unix.RTM_DELADDR, 0, 0, rtnl.Change{Index: w.port.Index(), Prefix: single(vip4.Addr())}, 0)
	err := w.node.Do(func() error {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, forged, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: port})
	})
	if err != nil {
		t.Fatal(err)
	}
	w.await("the forged message to be counted", func() bool { return w.hands.Counters().Foreign == 1 })
}

func TestOwnerIsAskedBeforeEachRepeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	w.run()
	w.takeAndSettle()
	all := w.hands.Counters().Announced
	w.mu.Lock()
	if got := fmt.Sprint(w.asked); got != "[vip:front 1 vip:front 1 vip:front 1]" {
		t.Errorf("asked %s", got)
	}
	w.owns = false
	w.mu.Unlock()
	w.hands.Announce("vip:front")
	w.await("one more question", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return len(w.asked) >= 4 })
	time.Sleep(announce.SeriesTime) // when the repeats would have come
	if n := w.hands.Counters().Announced; n != all {
		t.Errorf("%d frames sent for a token that its owner has no more", n-all)
	}
}
