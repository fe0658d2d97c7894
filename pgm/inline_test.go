package pgm

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// TestReceiveReadsItself: on sockets, who sleeps in Receive is woken by a packet,
// by its context, by what time makes ready and by Close.
func TestReceiveReadsItself(t *testing.T) {
	l := newLAN(t)
	for _, w := range []how{ways[0], ways[3], ways[4]} {
		t.Run(w.name, func(t *testing.T) {
			l.t = t
			r := l.receiver(w, l.b, 2, ReceiverOptions{Expiry: 600 * time.Millisecond})
			s := l.sender(w, l.a, 1, SenderOptions{Linger: time.Millisecond})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for i := range 3 {
				go func() {
					await(t, "Receive to sleep", r.asleep)
					s.Send(ctx, numbered(i, 100)) //nolint:errcheck // missed below
				}()
				if m, err := r.Next(ctx); err != nil || string(m.Data) != string(numbered(i, 100)) {
					t.Fatalf("message %d: %.8x, %v", i, m.Data, err)
				}
			}
			short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
			if _, err := r.Next(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("past the deadline: %v", err)
			}
			stop()
			undo := l.sw.Drop(rig.Fault{})
			var end *EndError
			if _, err := r.Next(ctx); !errors.As(err, &end) || !end.Expired {
				t.Errorf("a source went silent: %v", err)
			}
			undo()
			go func() {
				await(t, "Receive to sleep", r.asleep)
				r.Close() //nolint:errcheck // its own result is of no interest
			}()
			if _, err := r.Next(ctx); !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

// asleep reports whether somebody sleeps over the sockets for Receive.
func (r *Receiver) asleep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inline.asleep && r.inline.receiving
}

func await(t *testing.T, what string, is func() bool) {
	for limit := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Errorf("waited 10 s for %s", what)
			return
		}
	}
}

// TestStandIn: while the program does not call Receive, losses are repaired all
// the same, at the start and after it has waited in vain.
func TestStandIn(t *testing.T) {
	l := newLAN(t)
	l.sw.Drop(rig.Fault{PerMille: 100})
	r := l.receiver(ways[0], l.b, 2, ReceiverOptions{})
	s := l.sender(ways[0], l.a, 1, SenderOptions{Window: 128, Rate: 250e3, Linger: time.Second})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	const half = 300 // far more than the sender keeps for repair
	sent := 0
	more := func() {
		for range half {
			if _, err := s.Send(ctx, numbered(sent, 500)); err != nil {
				t.Fatal(err)
			}
			sent++
		}
	}
	more()
	for i := range half {
		if m, err := r.Next(ctx); err != nil || string(m.Data) != string(numbered(i, 500)) {
			t.Fatalf("message %d: %.8x, %v", i, m.Data, err)
		}
	}
	short, stop := context.WithTimeout(ctx, 20*backgroundAfter)
	defer stop()
	if _, err := r.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("nothing was sent: %v", err)
	}
	more()
	s.Close(context.Background())
	if err := expect(ctx, r, half, sent-1, 500); err != nil {
		t.Errorf("%v\n%+v", err, r.Stats())
	}
}

// TestEarsLeaveNothingOpen counts descriptors before and after.
func TestEarsLeaveNothingOpen(t *testing.T) {
	l := newLAN(t)
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	l.receiver(ways[0], l.b, 2, ReceiverOptions{}).Close()
	before := open()
	for range 5 {
		r := l.receiver(ways[0], l.b, 2, ReceiverOptions{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		r.Next(ctx) //nolint:errcheck // nothing comes
		cancel()
		r.Close()
	}
	if n := open(); n > before {
		t.Errorf("%d descriptors before, %d after", before, n)
	}
}

// TestBellReachesTheSocket: the kernel may say that a socket has something and
// then have nothing, as after a datagram with a bad checksum; a reader that
// waits in the socket is woken all the same.
func TestBellReachesTheSocket(t *testing.T) {
	l := newLAN(t)
	r := l.receiver(ways[0], l.b, 2, ReceiverOptions{})
	await(t, "the background reader", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.inline.asleep })
	r.inline.set.fds[0].Events = unix.POLLOUT // says at once that there is something; takes effect at the next poll
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
