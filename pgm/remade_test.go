package pgm

import (
	"context"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// TestInterfaceMadeAnew deletes the interface of a receiver, and then of a sender, and makes
// it anew: both go on, over UDP and right in IP.
func TestInterfaceMadeAnew(t *testing.T) {
	for _, w := range []how{ways[0], ways[2], ways[3], ways[4]} {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			l := newLAN(t)
			r := l.receiver(w, l.b, 2, ReceiverOptions{})
			s := l.sender(w, l.a, 1, SenderOptions{Linger: time.Millisecond})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			stop := make(chan struct{})
			sent := make(chan error, 1)
			go func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						sent <- nil
						return
					case <-time.After(time.Millisecond):
					}
					if _, err := s.Send(ctx, numbered(i, 100)); err != nil {
						sent <- err
						return
					}
				}
			}()
			hear := func() uint64 {
				m, err := r.Receive(ctx)
				if err != nil {
					t.Fatalf("%v\nreceiver %+v\nsender %+v", err, r.Stats(), s.Stats())
				}
				return binary.BigEndian.Uint64(m.Data)
			}
			hear()
			for _, n := range []int{2, 1} {
				l.remake(n)
				at := s.Stats().Messages
				for hear() < at+50 {
				}
			}
			close(stop)
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

// remake takes away the interface of host n, and makes it again some time later.
func (l *lan) remake(n int) {
	l.t.Helper()
	h := l.ports[n-1].Host()
	nl := h.Handle()
	link, err := nl.LinkByName("eth0")
	if err == nil {
		err = nl.LinkDel(link)
	}
	if err != nil {
		l.t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the sender goes on meanwhile
	v4, v6 := netip.PrefixFrom(ways[0].local(n), 24), netip.PrefixFrom(ways[2].local(n), 64)
	l.ports[n-1] = h.Plug(l.sw, "eth0", v4, v6)
	introduce(l.t, l.ports)
}

// TestRawIPv6ReadsOnce: a packet of the group comes to one socket.
func TestRawIPv6ReadsOnce(t *testing.T) {
	l := newLAN(t)
	w := ways[4]
	r := l.receiver(w, l.b, 2, ReceiverOptions{})
	s := l.sender(w, l.a, 1, SenderOptions{Linger: time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i := range 500 {
		if _, err := s.Send(ctx, numbered(i, 100)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Receive(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if d := r.Stats().Dropped(); d["duplicate"]+d["old"]+d["stale SPM"] > 5 {
		t.Errorf("read twice: %v", d)
	}
}
