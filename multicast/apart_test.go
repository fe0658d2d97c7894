package multicast

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A socket that is apart sends and receives as any other, but never waits, and tells
// an epoll of its reader's own that something is there.
func TestApart(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		o := f.path(b)
		o.Apart = true
		ca, cb := a.open(f.path(a)), b.open(o)
		batch := NewBatch(4, 100)
		if n, err := cb.Unicast().Read(batch); n != 0 || !Transient(err) {
			t.Fatalf("of an empty socket: %d, %v", n, err)
		}
		if err := cb.Unicast().SetReadDeadline(time.Now()); err == nil {
			t.Error("a deadline is taken, and nobody waits")
		}
		must(t, ca.Send([]byte("to one"), f.at(b)))
		must(t, ca.SendGroup([]byte("to all")))
		for s, want := range map[*Socket]string{cb.Unicast(): "to one", cb.Group(): "to all"} {
			if !readable(t, s) {
				t.Fatalf("nothing came of %q", want)
			}
			if n, err := s.Read(batch); n != 1 || err != nil || string(batch[0].Data) != want || batch[0].Multicast != (s == cb.Group()) {
				t.Errorf("%d, %v, %q; want %q", n, err, batch[0].Data, want)
			}
		}
		must(t, cb.Send([]byte("back"), f.at(a)))
		expect(t, ca.Unicast(), "back", f.at(b))
		if err := cb.Close(); err != nil {
			t.Error(err)
		}
		if _, err := cb.Unicast().Read(batch); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read of a closed socket: %v", err)
		}
		if err := cb.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}
	})
}

// readable waits until the socket has something, for ten seconds at most.
func readable(t *testing.T, s *Socket) (ready bool) {
	raw, err := s.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
		ready = n == 1 && err == nil
	}))
	return ready
}
