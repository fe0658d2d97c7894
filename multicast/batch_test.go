package multicast

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// numbered returns count datagrams of size bytes for one peer, each with its
// number in it.
func numbered(count, size int, d Datagram) []Datagram {
	batch := NewBatch(count, size)
	for i := range batch {
		copy(batch[i].Data, fmt.Sprintf("%06d", i))
		batch[i].Addr = d.Addr
	}
	return batch
}

// readAll reads datagrams, by batches of a size, until it has the wanted number
// of them, and returns what they hold.
func readAll(t *testing.T, s *Socket, want, size int) [][]byte {
	t.Helper()
	var got [][]byte
	batch := NewBatch(size, 2048)
	must(t, s.SetReadDeadline(time.Now().Add(patience)))
	for len(got) < want {
		n, err := s.Read(batch)
		if err != nil {
			t.Fatalf("after %d of %d: %v", len(got), want, err)
		}
		for _, d := range batch[:n] {
			got = append(got, bytes.Clone(d.Data))
		}
	}
	return got
}

func TestBatchesArriveWholeAndInOrder(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		o := f.path(b)
		o.ReceiveBuffer = 4 << 20
		ca, cb := a.open(f.path(a)), b.open(o)
		for _, size := range []int{1, MaxBatch, 2*MaxBatch + 3} {
			sent := numbered(size, 1000, Datagram{Addr: o.Group})
			n, err := ca.Unicast().Write(sent)
			if n != size || err != nil {
				t.Fatalf("batch of %d: wrote %d, %v", size, n, err)
			}
			for i, got := range readAll(t, cb.Group(), size, size) {
				if !bytes.Equal(got, sent[i].Data) {
					t.Fatalf("batch of %d: %.6q in place %d", size, got, i)
				}
			}
		}
	})
}

func TestWriteStopsAtTheFirstError(t *testing.T) {
	a, b := newLAN(t)
	f := families[0]
	ca, cb := a.open(f.path(a)), b.open(f.path(b))
	batch := numbered(5, 100, Datagram{Addr: f.at(b)})
	batch[2].Addr = families[1].at(b)
	n, err := ca.Unicast().Write(batch)
	if n != 2 || !errors.Is(err, unix.EAFNOSUPPORT) {
		t.Fatalf("wrote %d, %v, want 2 and EAFNOSUPPORT", n, err)
	}
	if n, err = ca.Unicast().Write(batch[3:]); n != 2 || err != nil {
		t.Fatalf("wrote %d, %v, want the last 2", n, err)
	}
	want := []int{0, 1, 3, 4}
	for i, got := range readAll(t, cb.Unicast(), 4, 4) {
		if !bytes.Equal(got, batch[want[i]].Data) {
			t.Errorf("%.6q in place %d", got, i)
		}
	}
}

func TestDatagramsOfEverySize(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		batch := NewBatch(1, 1000)
		for _, size := range []int{0, 1, 999, 1000, 1001, 5000} {
			must(t, ca.Send(bytes.Repeat([]byte{7}, size), f.at(b)))
			must(t, cb.Unicast().SetReadDeadline(time.Now().Add(patience)))
			batch[0].SegmentSize = 99 // what an earlier Read left
			n, err := cb.Unicast().Read(batch)
			must(t, err)
			if batch[0].SegmentSize != 0 {
				t.Errorf("%d bytes: segments of %d", size, batch[0].SegmentSize)
			}
			if got := batch[0]; n != 1 || len(got.Data) != min(size, 1000) || got.Truncated != (size > 1000) {
				t.Errorf("%d bytes: got %d, truncated %v", size, len(got.Data), got.Truncated)
			}
		}
	})
}

func TestReadOfNothing(t *testing.T) {
	a, _ := newLAN(t)
	c := a.open(Options{Local: a.v4})
	if n, err := c.Unicast().Read(nil); n != 0 || err != nil {
		t.Errorf("no buffers: %d, %v", n, err)
	}
	must(t, c.Unicast().SetReadDeadline(time.Now().Add(-time.Second)))
	if _, err := c.Unicast().Read(NewBatch(1, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || Transient(err) {
		t.Errorf("past the deadline: %v", err)
	}
}

func TestSteadyPathAllocatesNothing(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		sent := numbered(8, 200, Datagram{Addr: f.at(b)})
		batch := NewBatch(MaxBatch, 2048)
		must(t, cb.Unicast().SetReadDeadline(time.Now().Add(time.Minute)))
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := ca.Unicast().Write(sent); err != nil {
				t.Fatal(err)
			}
			if err := ca.Send(sent[0].Data, f.at(b)); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < len(sent)+1; {
				n, err := cb.Unicast().Read(batch)
				if err != nil {
					t.Fatal(err)
				}
				got += n
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations for %d datagrams, want none", allocs, len(sent)+1)
		}
	})
}

// A full queue must not hold up who sends single datagrams. It fills as nobody
// answers for the address.
func TestSendDoesNotWaitForRoom(t *testing.T) {
	a, _ := newLAN(t)
	o := families[0].path(a)
	o.SendBuffer = 1 // the kernel makes it its least
	ca := a.open(o)
	nobody := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.99"), port)
	eventually(t, "the queue is full", func() bool {
		err := ca.Send(make([]byte, 1400), nobody)
		if err != nil && !Transient(err) {
			t.Fatal(err)
		}
		if !errors.Is(err, unix.EAGAIN) {
			return false
		}
		must(t, ca.Unicast().SetWriteDeadline(time.Now().Add(quiet)))
		_, err = ca.Unicast().Write(numbered(1, 1400, Datagram{Addr: nobody}))
		must(t, ca.Unicast().SetWriteDeadline(time.Time{}))
		return errors.Is(err, os.ErrDeadlineExceeded) // Write does wait
	})
}
