package pgm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
)

// cutLink is a link that breaks for good.
type cutLink struct {
	Link
	cut atomic.Bool
}

var errCut = errors.New("cut")

func (l *cutLink) Write(batch []multicast.Datagram) (int, error) {
	if l.cut.Load() {
		return 0, errCut
	}
	return l.Link.Write(batch)
}

// TestDetach acknowledges some of the messages; Detach returns all others in order, by their
// numbers, also when packets hold several, when the link has failed and after Close.
func TestDetach(t *testing.T) {
	const count, acked = 12, 5
	sizes := []int{10, 3000, 1500, 8, 200}
	for _, c := range []struct {
		name        string
		pack        bool
		cut, closed bool
	}{
		{name: "while it runs"}, {name: "packed", pack: true}, {name: "the link has failed", cut: true},
		{name: "after Close", closed: true}, {name: "packed, the link has failed", pack: true, cut: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus, flows := NewBus(BusOptions{}), newFlowBus()
				at := netip.MustParseAddrPort("10.0.0.2:1")
				r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{FlowConn: flows.place("10.0.0.2:1"), Ack: true, Pack: c.pack})
				link := &cutLink{Link: bus.Link(addrA, group)}
				s := newSender(t, link, SenderOptions{Flow: flows.place("10.0.0.1:1"), Receivers: []netip.AddrPort{at}, Pack: c.pack, Linger: time.Second})
				var numbers []packet.Seq
				for i := range count {
					if c.cut && i == count-2 {
						time.Sleep(100 * time.Millisecond) // what was packed is written, and the receiver was asked
						link.cut.Store(true)
					}
					n, err := s.Send(t.Context(), numbered(i, sizes[i%len(sizes)]))
					if err != nil && !c.cut {
						t.Fatal(err)
					}
					if c.cut && errors.Is(err, errCut) && i > count-2 {
						break // not taken
					}
					numbers = append(numbers, n)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				for i := range acked {
					m, err := r.Receive(ctx)
					if err != nil || m.Number != numbers[i] {
						t.Fatalf("message %d: %v, number %d, want %d", i, err, m.Number, numbers[i])
					}
					r.Ack(m)
				}
				time.Sleep(200 * time.Millisecond)
				if c.closed {
					var lack *UnacknowledgedError
					if err := s.Close(t.Context()); !errors.As(err, &lack) {
						t.Errorf("close: %v", err)
					}
				}
				rest, err := s.Detach(3)
				if err != nil != c.cut || c.cut && !errors.Is(err, errCut) {
					t.Errorf("detach: %v", err)
				}
				from := acked
				for from > 0 && numbers[from-1] == numbers[acked] {
					from-- // a packet is acknowledged with its last message
				}
				if len(rest) != len(numbers)-from {
					t.Fatalf("%d messages are left, want %d", len(rest), len(numbers)-from)
				}
				for k, u := range rest {
					if i := from + k; u.Number != numbers[i] || !bytes.Equal(u.Data, numbered(i, sizes[i%len(sizes)])) {
						t.Errorf("message %d: number %d, want %d, %d octets", i, u.Number, numbers[i], len(u.Data))
					}
				}
				if again, err := s.Detach(3); err != nil || len(again) != len(rest) {
					t.Errorf("again: %d messages, %v", len(again), err)
				}
				if _, err := s.Send(t.Context(), nil); !errors.Is(err, net.ErrClosed) && !errors.Is(err, errCut) {
					t.Errorf("send after Detach: %v", err)
				}
			})
		})
	}
}

// TestDetachGoesOn goes on in another session at the number of the first message that was
// left: the receiver has each message at least once, and tells by the numbers what it had.
func TestDetachGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, flows := NewBus(BusOptions{}), newFlowBus()
		at := netip.MustParseAddrPort("10.0.0.2:1")
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{FlowConn: flows.place("10.0.0.2:1")})
		had := map[packet.Seq]string{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		next := func() {
			m, err := r.Receive(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if text, known := had[m.Number]; known && text != string(m.Data) {
				t.Errorf("number %d was %q, is %q", m.Number, text, m.Data)
			}
			had[m.Number] = string(m.Data)
		}
		first := packet.Seq(0xFFFFFFFC)
		a := newSender(t, bus.Link(addrA, group), SenderOptions{Flow: flows.place("10.0.0.1:1"), First: &first, Receivers: []netip.AddrPort{at}})
		for i := range 10 {
			if _, err := a.Send(t.Context(), fmt.Appendf(nil, "message %d", i)); err != nil {
				t.Fatal(err)
			}
			if i < 7 {
				next()
			}
		}
		rest, err := a.Detach(0)
		if err != nil || len(rest) < 3 || len(rest) > 10 {
			t.Fatalf("%d messages, %v", len(rest), err)
		}
		b := newSender(t, bus.Link(addrA, group), SenderOptions{First: &rest[0].Number})
		for _, u := range rest {
			if n, err := b.Send(t.Context(), u.Data); err != nil || n != u.Number {
				t.Fatalf("number %d, %v, want %d", n, err, u.Number)
			}
		}
		for len(had) < 10 {
			next()
		}
		for i := range 10 {
			if text := had[first.Add(i)]; text != fmt.Sprintf("message %d", i) {
				t.Errorf("number %d is %q", first.Add(i), text)
			}
		}
	})
}

// TestDetachWithoutReceivers: nothing is acknowledged to a sender that knows nobody.
func TestDetachWithoutReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, NewBus(BusOptions{}).Link(addrA, group), SenderOptions{})
		sendAll(t, s, 0, 5)
		if rest, err := s.Detach(0); len(rest) > 0 || err != nil {
			t.Errorf("%d messages, %v", len(rest), err)
		}
	})
}
