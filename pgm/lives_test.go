package pgm

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// sendAll sends messages first to last.
func sendAll(t *testing.T, s *Sender, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		if _, err := s.Send(t.Context(), numbered(i, 64)); err != nil {
			t.Fatalf("send %d: %v", i, err)
		}
		time.Sleep(100 * time.Microsecond)
	}
}

// TestRestartUnderOneTSI starts a sender again with the TSI that it had, after a clean
// close and after a crash: receivers are told, and get everything that is new.
func TestRestartUnderOneTSI(t *testing.T) {
	for _, crash := range []bool{false, true} {
		for _, loss := range []float64{0, 0.05} {
			synctest.Test(t, func(t *testing.T) {
				const each = 1000
				bus := NewBus(BusOptions{Seed: 3, Loss: loss, Delay: 100 * time.Microsecond})
				r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
				o := SenderOptions{GSI: packet.GSI{1, 2, 3, 4, 5, 6}, SourcePort: 7, LateJoin: true}
				over := make(chan struct{})
				defer func() { <-over }()
				go func() {
					defer close(over)
					for life := range 3 {
						link := bus.Link(addrA, group)
						s := newSender(t, link, o)
						sendAll(t, s, life*each, life*each+each*(life+1)-1)
						time.Sleep(100 * time.Millisecond)
						if crash {
							link.Close()
						} else {
							s.Close(context.Background())
						}
						time.Sleep(100 * time.Millisecond)
					}
				}()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				for life := range 3 {
					for i := life * each; i < life*each+each*(life+1); i++ {
						m, err := r.Next(ctx)
						if end := (*EndError)(nil); errors.As(err, &end) && !crash {
							m, err = r.Next(ctx)
						}
						if restart := (*RestartError)(nil); errors.As(err, &restart) && life > 0 && i == life*each {
							m, err = r.Next(ctx)
						} else if life > 0 && i == life*each {
							t.Fatalf("crash %v, life %d: %v instead of a restart", crash, life, err)
						}
						if err != nil || string(m.Data) != string(numbered(i, 64)) {
							t.Fatalf("crash %v, life %d: message %d: %.8x, %v\n%+v", crash, life, i, m.Data, err, r.Stats())
						}
					}
				}
			})
		}
	}
}

// flowBus is flow control in memory, between any number of places.
type flowBus struct {
	places map[netip.AddrPort]chan flowPacket
}

type flowPacket struct {
	b    []byte
	from netip.AddrPort
}

// flowPlace is one of them.
type flowPlace struct {
	bus  *flowBus
	at   netip.AddrPort
	done chan struct{}
}

func newFlowBus() *flowBus { return &flowBus{map[netip.AddrPort]chan flowPacket{}} }

func (b *flowBus) place(a string) *flowPlace {
	at := netip.MustParseAddrPort(a)
	b.places[at] = make(chan flowPacket, 256)
	return &flowPlace{b, at, make(chan struct{})}
}

func (p *flowPlace) Read(b []byte) (int, netip.AddrPort, error) {
	select {
	case m := <-p.bus.places[p.at]:
		return copy(b, m.b), m.from, nil
	case <-p.done:
		return 0, netip.AddrPort{}, errClosedForTest
	}
}

var errClosedForTest = errors.New("closed")

func (p *flowPlace) Write(b []byte, to netip.AddrPort) error {
	select {
	case p.bus.places[to] <- flowPacket{append([]byte(nil), b...), p.at}:
	default:
	}
	return nil
}

func (p *flowPlace) Close() error { close(p.done); return nil }

// TestGoodbye: a known receiver that closes holds the sender up no longer; the next one at
// its address is waited for again.
func TestGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, flows := NewBus(BusOptions{}), newFlowBus()
		at := netip.MustParseAddrPort("10.0.0.2:1")
		sender, first, second := flows.place("10.0.0.1:1"), flows.place("10.0.0.2:1"), (*flowPlace)(nil)
		small := window.ReceiveConfig{Packets: 32}
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{FlowConn: first, Window: small})
		var notices []NoticeKind
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Window: 64, Flow: sender, Receivers: []netip.AddrPort{at},
			Notify: func(n Notice) { notices = append(notices, n.Kind) }})
		sendAll(t, s, 0, 10)
		if _, err := r.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for i := range 1000 {
			if _, err := s.Send(ctx, numbered(i, 64)); err != nil {
				t.Fatalf("after the goodbye, message %d: %v", i, err)
			}
		}
		second = flows.place("10.0.0.2:1")
		r = newReceiver(t, bus.Link(addrB, group), ReceiverOptions{FlowConn: second, Window: small})
		time.Sleep(2 * time.Second)
		before := s.Stats().Blocked
		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var err error
		for i := 0; err == nil && i < 1000; i++ {
			_, err = s.Send(short, numbered(i, 64))
		}
		if !errors.Is(err, context.DeadlineExceeded) || s.Stats().Blocked != before+1 {
			t.Errorf("the next receiver is not waited for: %v, blocked %d times after %d", err, s.Stats().Blocked, before)
		}
		if len(notices) < 2 || notices[0] != Departed || notices[1] != Joined {
			t.Errorf("notices %v", notices)
		}
		r.Close()
		s.Close(context.Background())
	})
}

// lateFlow loses what is written in its first 50 ms.
type lateFlow struct {
	*flowPlace
	from time.Time
}

func (l lateFlow) Write(b []byte, to netip.AddrPort) error {
	if time.Since(l.from) < 50*time.Millisecond {
		return nil
	}
	return l.flowPlace.Write(b, to)
}

// TestGoodbyeBeforeAPoll: a program that has had what it waits for closes at once, before its
// receiver was polled. The sender hears how far it came all the same.
func TestGoodbyeBeforeAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, flows := NewBus(BusOptions{}), newFlowBus()
		at := netip.MustParseAddrPort("10.0.0.2:1")
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{FlowConn: flows.place("10.0.0.2:1")})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Flow: lateFlow{flows.place("10.0.0.1:1"), time.Now()}, Receivers: []netip.AddrPort{at}})
		sendAll(t, s, 0, 3)
		for range 3 {
			if _, err := r.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r.Close()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAcknowledgement: delivered, acknowledged, flushed and closed are four things.
func TestAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, flows := NewBus(BusOptions{}), newFlowBus()
		at := netip.MustParseAddrPort("10.0.0.2:1")
		sender, receiver := flows.place("10.0.0.1:1"), flows.place("10.0.0.2:1")
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{FlowConn: receiver, Ack: true})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Flow: sender, Linger: time.Second})
		if err := s.AddReceiver(at); err != nil {
			t.Fatal(err)
		}
		var last packet.Seq
		for i := range 10 {
			n, err := s.Send(t.Context(), numbered(i, 3000)) // three packets each
			if err != nil || n != packet.Seq(3*i) {
				t.Fatalf("message %d has number %d, %v", i, n, err)
			}
			last = n
		}
		var got []Message
		for range 10 {
			m, err := r.Receive(t.Context())
			if err != nil || m.Number != packet.Seq(3*len(got)) {
				t.Fatalf("%v, number %d", err, m.Number)
			}
			got = append(got, m)
		}
		time.Sleep(200 * time.Millisecond)
		if n, ok := s.Acked(at); !ok || n != 0 {
			t.Errorf("acknowledged %d, %v before any was", n, ok)
		}
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var lack *UnacknowledgedError
		if err := s.Flush(short); !errors.As(err, &lack) || !errors.Is(err, context.DeadlineExceeded) || len(lack.Receivers) != 1 ||
			lack.Receivers[0] != (Lack{at, 0, 30}) || !strings.Contains(err.Error(), "10.0.0.2:1") {
			t.Errorf("flush: %v", err)
		}
		r.Ack(got[4])
		r.Ack(got[2]) // older: changes nothing
		time.Sleep(100 * time.Millisecond)
		if n, _ := s.Acked(at); n != 15 {
			t.Errorf("acknowledged %d, want 15", n)
		}
		r.Ack(got[9])
		if err := s.Flush(t.Context()); err != nil {
			t.Errorf("flush: %v", err)
		}
		if n, _ := s.Acked(at); n != last.Add(3) {
			t.Errorf("acknowledged %d", n)
		}
		if _, err := s.Send(t.Context(), []byte("more")); err != nil {
			t.Error(err)
		}
		if err := s.Close(context.Background()); !errors.As(err, &lack) || lack.Receivers[0].Packets != 1 {
			t.Errorf("close: %v", err)
		}
	})
}

// TestRemoveReceiver lets one go that hears nothing.
func TestRemoveReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		at := netip.AddrPortFrom(addrB, 7501)
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Window: 16, Flow: make(deaf), Receivers: []netip.AddrPort{at}})
		sendAll(t, s, 0, 15)
		time.AfterFunc(time.Second, func() {
			if err := s.RemoveReceiver(at); err != nil {
				t.Error(err)
			}
		})
		sendAll(t, s, 16, 99)
		if n := s.Stats().Blocked; n != 1 {
			t.Errorf("blocked %d times in one stall", n)
		}
		if s.RemoveReceiver(at) == nil {
			t.Error("removed twice")
		}
		if err := s.AddReceiver(at); err != nil || s.AddReceiver(at) == nil {
			t.Errorf("added once: %v", err)
		}
		if err := s.RemoveReceiver(at); err != nil {
			t.Error(err)
		}
	})
}

// TestSourcesCrowd: neither forged sources nor a program that crashes again and again keep
// a source out.
func TestSourcesCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
		x := newIntruder(t, bus)
		for i := range 64 {
			p := packet.Packet{Type: packet.ODATA, SourcePort: uint16(i), DestPort: DefaultPort, GSI: packet.GSI{7}, Payload: []byte{1}}
			x.send(p.Append(nil), netip.Addr{})
		}
		synctest.Wait()
		hears := func(what string) {
			l := bus.Link(addrA, group)
			s := newSender(t, l, SenderOptions{LateJoin: true})
			s.Send(t.Context(), []byte(what))
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			for {
				m, err := r.Receive(ctx)
				if err != nil {
					t.Fatalf("%s: not heard: %v, %+v", what, err, r.Stats())
				}
				if string(m.Data) == what {
					break
				}
			}
			l.Close()
		}
		hears("beside 64 forged ones")
		for range 100 {
			hears("crashes")
			time.Sleep(100 * time.Millisecond)
		}
		hears("after a hundred crashes")
		if n := r.Stats().Sources; n > 64 {
			t.Errorf("%d sources", n)
		}
	})
}

// TestNothingButSPMs: a source that is heard without its data is told of, and asked for
// little; as soon as data comes, everything is as before.
func TestNothingButSPMs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		far := &narrowLink{Link: bus.Link(addrB, group), most: 500}
		r := newReceiver(t, far, ReceiverOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{})
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		for i := range 300 {
			s.Send(t.Context(), numbered(i, 1400))
		}
		_, err := r.Next(t.Context())
		var stall *StallError
		if !errors.As(err, &stall) || time.Since(began) > 2*time.Second || stall.Longest == 0 || stall.Longest > 500 || stall.MaxPacket != 1472 || stall.Waiting == 0 {
			t.Fatalf("%v after %v", err, time.Since(began))
		}
		time.Sleep(100 * time.Millisecond) // what was asked for before
		before := s.Stats().Repairs
		time.Sleep(6 * time.Second)
		if n := s.Stats().Repairs - before; n > 20 {
			t.Errorf("%d useless repairs in 6 s\n%+v\n%+v", n, s.Stats(), r.Stats())
		}
		far.most = 1500
		for i := range 300 {
			if m, err := r.Next(t.Context()); err != nil || string(m.Data) != string(numbered(i, 1400)) {
				t.Fatalf("message %d: %.8x, %v", i, m.Data, err)
			}
		}
	})
}
