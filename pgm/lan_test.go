package pgm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/pgm/window"
	"vipd/testlab/rig"
)

// lan is three hosts on one switch.
type lan struct {
	t       *testing.T
	lab     *rig.Lab
	sw      *rig.Switch
	a, b, c *rig.Host
	ports   []*rig.Port // of a, b and c
}

func newLAN(t *testing.T) *lan {
	lab := rig.Start(t)
	l := &lan{t: t, lab: lab, sw: lab.Switch("lan")}
	var ports []*rig.Port
	plug := func(name, v4, v6 string) *rig.Host {
		h := lab.Host(name)
		ports = append(ports, h.Plug(l.sw, "eth0", netip.MustParsePrefix(v4), netip.MustParsePrefix(v6)))
		return h
	}
	l.a, l.b, l.c = plug("a", "10.0.0.1/24", "fd00::1/64"), plug("b", "10.0.0.2/24", "fd00::2/64"), plug("c", "10.0.0.3/24", "fd00::3/64")
	introduce(t, ports)
	l.ports = ports
	return l
}

// introduce tells the hosts each other's hardware addresses for good: a cable
// that loses frames also loses ARP, whose second try takes a second.
func introduce(t *testing.T, ports []*rig.Port) {
	for _, at := range ports {
		for i, of := range ports {
			for _, a := range []netip.Addr{ways[0].local(i + 1), ways[2].local(i + 1)} {
				n := &netlink.Neigh{LinkIndex: at.Index(), State: netlink.NUD_PERMANENT, IP: a.AsSlice(), HardwareAddr: of.MAC()}
				if at != of {
					if err := at.Host().Handle().NeighSet(n); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}

// how is a way for PGM to travel.
type how struct {
	name     string
	v6, raw  bool
	segments bool
}

var ways = []how{
	{"udp", false, false, true}, {"udp without segments", false, false, false}, {"udp over ipv6", true, false, true},
	{"raw", false, true, false}, {"raw over ipv6", true, true, false},
}

// local is host n's address.
func (w how) local(n int) netip.Addr {
	if w.v6 {
		return netip.MustParseAddr(fmt.Sprintf("fd00::%d", n))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", n))
}

func (w how) group() netip.Addr {
	if w.v6 {
		return netip.MustParseAddr("ff02::7702")
	}
	return netip.MustParseAddr("239.192.77.2")
}

// open opens a link of host n.
func (w how) open(h *rig.Host, n int, receiver bool) (l Link, err error) {
	udp := UDPOptions{Local: w.local(n), Group: netip.AddrPortFrom(w.group(), 3056), NoSegments: !w.segments}
	raw := RawOptions{Local: w.local(n), Group: w.group()}
	err = h.Do(func() (err error) {
		switch {
		case w.raw && receiver:
			l, err = ReceiverRaw(raw)
		case w.raw:
			l, err = SenderRaw(raw)
		case receiver:
			l, err = ReceiverUDP(udp)
		default:
			l, err = SenderUDP(udp)
		}
		return err
	})
	return l, err
}

// sender and receiver open one on a host; flow control is opened there too.
func (l *lan) sender(w how, h *rig.Host, n int, o SenderOptions) (s *Sender) {
	link, err := w.open(h, n, false)
	if err == nil {
		err = h.Do(func() (err error) { s, err = NewSender(link, o); return err })
	}
	if err != nil {
		l.t.Fatalf("%s: %v", w.name, err)
	}
	l.t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func (l *lan) receiver(w how, h *rig.Host, n int, o ReceiverOptions) (r *Receiver) {
	link, err := w.open(h, n, true)
	if err == nil {
		err = h.Do(func() (err error) { r, err = NewReceiver(link, o); return err })
	}
	if err != nil {
		l.t.Fatalf("%s: %v", w.name, err)
	}
	l.t.Cleanup(func() { r.Close() })
	return r
}

func TestWays(t *testing.T) {
	l := newLAN(t)
	for _, loss := range []int{0, 50} {
		if loss > 0 {
			l.sw.Drop(rig.Fault{PerMille: loss})
		}
		for _, w := range ways {
			for _, size := range []int{32, 1400, 20000} {
				t.Run(fmt.Sprintf("%s, %d octets, %d in 1000 lost", w.name, size, loss), func(t *testing.T) {
					l.t = t
					l.deliver(w, size, 400)
				})
			}
		}
	}
}

// deliver sends from a to b, c and another receiver on c.
func (l *lan) deliver(w how, size, count int) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	var rs []*Receiver
	for _, at := range []struct {
		h *rig.Host
		n int
	}{{l.b, 2}, {l.c, 3}, {l.c, 3}} {
		rs = append(rs, l.receiver(w, at.h, at.n, ReceiverOptions{}))
	}
	s := l.sender(w, l.a, 1, SenderOptions{Rate: 20e6, Linger: 500 * time.Millisecond})
	var wg sync.WaitGroup
	for i, r := range rs {
		wg.Go(func() {
			if err := expect(ctx, r, 0, count-1, size); err != nil {
				l.t.Errorf("receiver %d: %v\nsender %+v\nreceiver %+v", i, err, s.Stats(), r.Stats())
			}
		})
	}
	for i := range count {
		if _, err := s.Send(ctx, numbered(i, size)); err != nil {
			l.t.Fatalf("send %d: %v", i, err)
		}
	}
	go s.Close(context.Background())
	wg.Wait()
}

// TestSendersShareAHostAndPort repairs for two senders whose NAKs come to one
// address and port, of which unicast reaches only one socket.
func TestSendersShareAHostAndPort(t *testing.T) {
	l := newLAN(t)
	l.sw.Drop(rig.Fault{PerMille: 50})
	w := ways[0]
	r := l.receiver(w, l.b, 2, ReceiverOptions{})
	same := l.receiver(w, l.a, 1, ReceiverOptions{})
	const count = 1000
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 3 {
		s := l.sender(w, l.a, 1, SenderOptions{Rate: 5e6, Linger: 3 * time.Second})
		go func() {
			for i := range count {
				s.Send(ctx, numbered(i, 200))
			}
			s.Close(context.Background())
		}()
	}
	for _, r := range []*Receiver{r, same} {
		next := map[any]int{}
		for ends := 0; ends < 3; {
			m, err := r.Next(ctx)
			var end *EndError
			switch {
			case errors.As(err, &end):
				if next[end.Source] != count {
					t.Errorf("%s ended after %d", end.Source, next[end.Source])
				}
				ends++
			case err != nil:
				t.Fatalf("%v\n%+v", err, r.Stats())
			case int(binary.BigEndian.Uint64(m.Data)) != next[m.Source]:
				t.Fatalf("%s: message %x, want %d", m.Source, m.Data[:8], next[m.Source])
			default:
				next[m.Source]++
			}
		}
	}
}

// TestGroupsDoNotLeak puts two groups on one port.
func TestGroupsDoNotLeak(t *testing.T) {
	l := newLAN(t)
	other := netip.MustParseAddrPort("239.192.77.3:3056")
	var r *Receiver
	if err := l.b.Do(func() error {
		link, err := ReceiverUDP(UDPOptions{Local: ways[0].local(2), Group: other})
		if err == nil {
			r, err = NewReceiver(link, ReceiverOptions{})
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	l.deliver(ways[0], 200, 50)
	if st := r.Stats(); st.Packets+st.SPMs+st.OtherPort != 0 {
		t.Errorf("heard another group: %+v", st)
	}
}

// TestFlowControl sends far faster than the slower receiver takes: nothing may
// get lost, though it is much more than windows and queues hold.
func TestFlowControl(t *testing.T) {
	l := newLAN(t)
	l.sw.Drop(rig.Fault{PerMille: 20})
	w := ways[0]
	known := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.2:7501"), netip.MustParseAddrPort("10.0.0.3:7501")}
	small := window.ReceiveConfig{Packets: 256}
	fast := l.receiver(w, l.b, 2, ReceiverOptions{Flow: known[0], Window: small})
	slow := l.receiver(w, l.c, 3, ReceiverOptions{Flow: known[1], Window: small})
	s := l.sender(w, l.a, 1, SenderOptions{Receivers: known, Window: 512, Linger: 5 * time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const count = 20000
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := expect(ctx, fast, 0, count-1, 1000); err != nil {
			t.Errorf("fast: %v", err)
		}
	})
	wg.Go(func() {
		time.Sleep(500 * time.Millisecond) // stops taking anything for a while
		if err := expect(ctx, slow, 0, count-1, 1000); err != nil {
			t.Errorf("slow: %v", err)
		}
	})
	for i := range count {
		if _, err := s.Send(ctx, numbered(i, 1000)); err != nil {
			t.Fatalf("send %d: %v", i, err)
		}
	}
	s.Close(context.Background())
	wg.Wait()
	if st := s.Stats(); st.Blocked == 0 {
		t.Errorf("the sender never waited: %+v", st)
	}
}

// TestLeaveBehind gives up a receiver that stops, and says so to both sides.
func TestLeaveBehind(t *testing.T) {
	l := newLAN(t)
	w := ways[0]
	known := []netip.AddrPort{netip.MustParseAddrPort("10.0.0.2:7501"), netip.MustParseAddrPort("10.0.0.3:7501")}
	small := window.ReceiveConfig{Packets: 256}
	fast := l.receiver(w, l.b, 2, ReceiverOptions{Flow: known[0], Window: small})
	slow := l.receiver(w, l.c, 3, ReceiverOptions{Flow: known[1], Window: small})
	notices := make(chan Notice, 64)
	s := l.sender(w, l.a, 1, SenderOptions{Receivers: known, Window: 512, LeaveBehind: 200 * time.Millisecond,
		Notify: func(n Notice) { notices <- n }})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const count = 5000
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := expect(ctx, fast, 0, count-1, 1000); err != nil {
			t.Errorf("fast: %v", err)
		}
	})
	for i := range count {
		if _, err := s.Send(ctx, numbered(i, 1000)); err != nil {
			t.Fatalf("send %d: %v", i, err)
		}
	}
	var n Notice
	if n = <-notices; n.Kind != LeftBehind || n.Receiver != known[1] || n.At != 0 {
		t.Errorf("the sender was told %+v", n)
	}
	go s.Close(context.Background())
	wg.Wait()
	behind, lost, got := 0, 0, 0
	for {
		_, err := slow.Next(ctx)
		var loss *LossError
		var left *BehindError
		var end *EndError
		switch {
		case errors.As(err, &left):
			behind++
		case errors.As(err, &loss):
			lost += loss.Count()
		case errors.As(err, &end):
			if behind == 0 || lost == 0 || got+lost != count {
				t.Errorf("slow: told %d times, got %d, lost %d of %d", behind, got, lost, count)
			}
			return
		case err != nil:
			t.Fatalf("slow: %v after %d, lost %d", err, got, lost)
		default:
			got++
		}
	}
}
