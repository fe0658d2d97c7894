package pgm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

var (
	addrA = netip.MustParseAddr("10.0.0.1")
	addrB = netip.MustParseAddr("10.0.0.2")
	addrC = netip.MustParseAddr("10.0.0.3")
	group = netip.MustParseAddr("239.192.77.2")
)

// newSender and newReceiver end the test when they fail, and close with it.
func newSender(t testing.TB, l Link, o SenderOptions) *Sender {
	t.Helper()
	s, err := NewSender(l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func newReceiver(t testing.TB, l Link, o ReceiverOptions) *Receiver {
	t.Helper()
	r, err := NewReceiver(l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// numbered is message i of n octets at least.
func numbered(i, n int) []byte {
	m := make([]byte, max(n, 8))
	binary.BigEndian.PutUint64(m, uint64(i))
	for k := 8; k < n; k++ {
		m[k] = byte(i + k)
	}
	return m
}

// expect receives messages first to last, in order and whole, then the end.
func expect(ctx context.Context, r *Receiver, first, last, size int) error {
	for i := first; i <= last; i++ {
		m, err := r.Next(ctx)
		if err != nil {
			return fmt.Errorf("message %d: %w", i, err)
		}
		if !bytes.Equal(m.Data, numbered(i, size)) {
			return fmt.Errorf("message %d is not what was sent: %d octets %.16x", i, len(m.Data), m.Data)
		}
	}
	_, err := r.Next(ctx)
	if end := (*EndError)(nil); !errors.As(err, &end) || end.Reset || end.Expired {
		return fmt.Errorf("after the last message: %v, want the end", err)
	}
	return nil
}

func TestBusDelivers(t *testing.T) {
	for _, c := range []struct {
		name    string
		bus     BusOptions
		size    int
		options SenderOptions
		pack    bool
	}{
		{"clean", BusOptions{}, 100, SenderOptions{}, false},
		{"5 % lost", BusOptions{Seed: 1, Loss: 0.05, Delay: 50 * time.Microsecond}, 100, SenderOptions{}, false},
		{"20 % lost, doubled, out of order", BusOptions{Seed: 2, Loss: 0.2, Duplicate: 0.1, Delay: time.Millisecond, Jitter: time.Millisecond}, 100, SenderOptions{}, false},
		{"fragments, 5 % lost", BusOptions{Seed: 3, Loss: 0.05, Delay: 50 * time.Microsecond}, 20000, SenderOptions{}, false},
		{"packed, 5 % lost", BusOptions{Seed: 4, Loss: 0.05, Delay: 50 * time.Microsecond}, 50, SenderOptions{Pack: true}, true},
		{"packed and fragmented", BusOptions{Seed: 5, Loss: 0.05}, 3000, SenderOptions{Pack: true}, true},
		{"late joiners welcome", BusOptions{Seed: 6, Loss: 0.05}, 100, SenderOptions{LateJoin: true}, false},
		{"under a rate", BusOptions{Seed: 7, Loss: 0.05}, 100, SenderOptions{Rate: 5e6}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const count = 500
				bus := NewBus(c.bus)
				r1 := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{Pack: c.pack})
				r2 := newReceiver(t, bus.Link(addrC, group), ReceiverOptions{Pack: c.pack})
				s := newSender(t, bus.Link(addrA, group), c.options)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				go func() {
					time.Sleep(10 * time.Millisecond) // so that an SPM is there before the data
					for i := range count {
						if _, err := s.Send(ctx, numbered(i, c.size)); err != nil {
							t.Errorf("send %d: %v", i, err)
							return
						}
						time.Sleep(20 * time.Microsecond)
					}
					s.Close(context.Background())
				}()
				done := make(chan error)
				go func() { done <- expect(ctx, r1, 0, count-1, c.size) }()
				go func() { done <- expect(ctx, r2, 0, count-1, c.size) }()
				for range 2 {
					if err := <-done; err != nil {
						t.Errorf("%v\nsender %+v\nreceiver %+v\n%v", err, s.Stats(), r1.Stats(), r1.Stats().Dropped())
					}
				}
			})
		})
	}
}

// TestLossIsOneEventPerHole stops hearing for a while with a small window.
func TestLossIsOneEventPerHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Window: 100})
		const count, from, to = 2000, 300, 1500
		go func() {
			for i := range count {
				switch i {
				case from:
					bus.SetLoss(1)
				case to:
					bus.SetLoss(0)
				}
				s.Send(t.Context(), numbered(i, 64))
				time.Sleep(200 * time.Microsecond)
			}
			s.Close(context.Background())
		}()
		next, holes := 0, 0
		for {
			m, err := r.Next(t.Context())
			var loss *LossError
			var end *EndError
			switch {
			case errors.As(err, &loss):
				if int(loss.First) != next || loss.Count() != int(loss.Last-loss.First)+1 || loss.Passed != loss.Count() {
					t.Fatalf("hole %+v at %d", loss, next)
				}
				next += loss.Count()
				holes++
				continue
			case errors.As(err, &end):
				if next != count || holes != 1 {
					t.Errorf("ended at %d of %d with %d holes", next, count, holes)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if got := int(binary.BigEndian.Uint64(m.Data)); got != next {
				t.Fatalf("message %d, want %d", got, next)
			}
			next++
		}
	})
}

func TestTwoSendersKeepTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{Seed: 9, Loss: 0.05, Jitter: 200 * time.Microsecond})
		r := newReceiver(t, bus.Link(addrC, group), ReceiverOptions{})
		other := newReceiver(t, bus.Link(addrC, group), ReceiverOptions{Port: 7600})
		next := map[packet.TSI]int{}
		for _, a := range []netip.Addr{addrA, addrB} {
			s := newSender(t, bus.Link(a, group), SenderOptions{})
			next[s.TSI()] = 0
			go func() {
				for i := range 300 {
					s.Send(t.Context(), numbered(i, 64))
					time.Sleep(100 * time.Microsecond)
				}
				s.Close(context.Background())
			}()
		}
		for ends := 0; ends < 2; {
			m, err := r.Next(t.Context())
			if end := (*EndError)(nil); errors.As(err, &end) {
				if next[end.Source] != 300 {
					t.Errorf("%s ended after %d", end.Source, next[end.Source])
				}
				ends++
				continue
			}
			if err != nil || int(binary.BigEndian.Uint64(m.Data)) != next[m.Source] {
				t.Fatalf("%s: %x, %v, want %d", m.Source, m.Data[:8], err, next[m.Source])
			}
			next[m.Source]++
		}
		if st := other.Stats(); st.Packets != 0 || st.OtherPort == 0 {
			t.Errorf("the receiver of another port took %d packets and dropped %d", st.Packets, st.OtherPort)
		}
	})
}

func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{})
		s.Send(t.Context(), []byte("last words"))
		s.Abort(7)
		if m, err := r.Next(t.Context()); err != nil || string(m.Data) != "last words" || m.From != addrA {
			t.Errorf("%q from %v, %v", m.Data, m.From, err)
		}
		var end *EndError
		if _, err := r.Next(t.Context()); !errors.As(err, &end) || !end.Reset || end.Code != 7 || end.Source != s.TSI() {
			t.Errorf("%v, want a reset with code 7", err)
		}
		if _, err := s.Send(t.Context(), nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send after Abort: %v", err)
		}
	})
}

func TestContextsAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{MaxFragments: 16, Rate: 1000, Burst: 100})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("receive: %v", err)
		}
		if _, err := s.Send(t.Context(), make([]byte, 16*(1472-24-20)+1)); !errors.Is(err, ErrTooLong) {
			t.Errorf("17 fragments: %v", err)
		}
		if _, err := s.Send(t.Context(), make([]byte, 65536)); !errors.Is(err, ErrTooLong) {
			t.Errorf("65536 octets: %v", err)
		}
		s.Send(t.Context(), make([]byte, 100))
		short, cancel2 := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel2()
		if _, err := s.Send(short, make([]byte, 100)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("over the rate: %v", err)
		}
		r.Close()
		if _, err := r.Next(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("receive after close: %v", err)
		}
	})
}

// TestNegativeOptions are refused, and the link closed.
func TestNegativeOptions(t *testing.T) {
	bus := NewBus(BusOptions{})
	for want, open := range map[string]func(l Link) error{
		"Window is": func(l Link) error { _, err := NewSender(l, SenderOptions{Window: -1}); return err },
		"Rate is":   func(l Link) error { _, err := NewSender(l, SenderOptions{Rate: -1}); return err },
		"Linger is": func(l Link) error { _, err := NewSender(l, SenderOptions{Linger: -1}); return err },
		"Window.Packets is": func(l Link) error {
			_, err := NewReceiver(l, ReceiverOptions{Window: window.ReceiveConfig{Packets: -1}})
			return err
		},
		"Expiry is": func(l Link) error { _, err := NewReceiver(l, ReceiverOptions{Expiry: -1}); return err },
	} {
		l := bus.Link(addrA, group)
		if err := open(l); err == nil || !strings.Contains(err.Error(), want+" negative") {
			t.Errorf("%v, want %q", err, want)
		}
		if _, err := l.Write(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s negative: the link is open", want)
		}
	}
}

// TestSilentSourceExpires forgets a source that went without a word.
func TestSilentSourceExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{Expiry: 5 * time.Second})
		l := bus.Link(addrA, group)
		s := newSender(t, l, SenderOptions{Linger: time.Millisecond})
		s.Send(t.Context(), []byte("hello"))
		r.Next(t.Context())
		bus.SetLoss(1)
		var end *EndError
		if _, err := r.Next(t.Context()); !errors.As(err, &end) || !end.Expired {
			t.Errorf("%v, want the source expired", err)
		}
		time.Sleep(6 * time.Second)
		if n := r.Stats().Sources; n != 0 {
			t.Errorf("%d sources left", n)
		}
	})
}

// TestLateJoin gives a late receiver the window's content, if offered, and
// never calls what was before it a loss.
func TestLateJoin(t *testing.T) {
	for _, offered := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			bus := NewBus(BusOptions{})
			s := newSender(t, bus.Link(addrA, group), SenderOptions{LateJoin: offered, Window: 50})
			for i := range 100 {
				s.Send(t.Context(), numbered(i, 2000)) // two fragments each
			}
			synctest.Wait() // everything is sent
			r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{Window: window.ReceiveConfig{BackOff: time.Millisecond}})
			time.Sleep(2 * time.Second) // for an ambient SPM
			go func() {
				for i := 100; i < 110; i++ {
					s.Send(t.Context(), numbered(i, 2000))
					time.Sleep(time.Millisecond)
				}
				s.Close(context.Background())
			}()
			m, err := r.Next(t.Context())
			if err != nil {
				t.Fatalf("offered %v: %v\n%+v", offered, err, r.Stats())
			}
			first := int(binary.BigEndian.Uint64(m.Data))
			if want := map[bool]int{false: 100, true: 75}[offered]; err != nil || first != want {
				t.Fatalf("offered %v: joined at message %d (%v), want %d", offered, first, err, want)
			}
			if err := expect(t.Context(), r, first+1, 109, 2000); err != nil {
				t.Errorf("offered %v: %v", offered, err)
			}
		})
	}
}

// TestHeartbeats counts the SPMs after the last data: after 10, 30, 70, 150,
// 310, 630 ms, and the ambient one each second.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{})
		time.Sleep(1500 * time.Millisecond)
		before := s.Stats().SPMs
		s.Send(t.Context(), []byte("hello"))
		time.Sleep(400 * time.Millisecond)
		if n := s.Stats().SPMs - before; n != 5 {
			t.Errorf("%d heartbeats in 400 ms, want 5", n)
		}
	})
}
