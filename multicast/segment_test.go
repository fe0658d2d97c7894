package multicast

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// row is a datagram of count segments of size bytes, but the last, each filled
// with its number.
func row(to netip.AddrPort, count, size, last int) Datagram {
	var data []byte
	for i := range count - 1 {
		data = append(data, bytes.Repeat([]byte{byte(i)}, size)...)
	}
	data = append(data, bytes.Repeat([]byte{byte(count - 1)}, last)...)
	return Datagram{Addr: to, Data: data, SegmentSize: size}
}

func TestSegmentsRoundTrip(t *testing.T) {
	const count, size, last = 10, 1000, 300
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		for _, join := range []bool{false, true} {
			o := f.path(b)
			o.GRO = join
			ca, cb := a.open(f.path(a)), b.open(o)
			for _, s := range []struct {
				by *Socket
				to netip.AddrPort
			}{{cb.Unicast(), f.at(b)}, {cb.Group(), o.Group}} {
				if n, err := ca.Unicast().Write([]Datagram{row(s.to, count, size, last)}); n != 1 || err != nil {
					t.Fatalf("wrote %d, %v", n, err)
				}
				joined := readSegments(t, s.by, count, size, last)
				if joined != join {
					t.Errorf("to %v: joined by the kernel %v, want %v", s.to, joined, join)
				}
			}
			must(t, ca.Close())
			must(t, cb.Close())
		}
	})
}

// readSegments reads the segments of a row and reports whether any came joined.
func readSegments(t *testing.T, s *Socket, count, size, last int) (joined bool) {
	t.Helper()
	batch := NewBatch(MaxBatch, 64<<10)
	must(t, s.SetReadDeadline(time.Now().Add(patience)))
	for got := 0; got < count; {
		n, err := s.Read(batch)
		if err != nil {
			t.Fatalf("after %d of %d segments: %v", got, count, err)
		}
		for _, d := range batch[:n] {
			joined = joined || d.SegmentSize != 0 && len(d.Data) > d.SegmentSize
			for segment := range d.Segments() {
				want := size
				if got == count-1 {
					want = last
				}
				if !bytes.Equal(segment, bytes.Repeat([]byte{byte(got)}, want)) {
					t.Fatalf("segment %d: %d bytes of %d, want %d", got, len(segment), segment[0], want)
				}
				got++
			}
		}
	}
	return joined
}

// A datagram with segments leaves nothing behind for the next one in its place.
func TestSegmentsAreOfOneDatagram(t *testing.T) {
	a, b := newLAN(t)
	f := families[0]
	ca, cb := a.open(f.path(a)), b.open(f.path(b))
	whole := row(f.at(b), 2, 100, 100)
	whole.SegmentSize = 0
	for _, d := range []Datagram{row(f.at(b), 2, 100, 100), whole} {
		_, err := ca.Unicast().Write([]Datagram{d})
		must(t, err)
	}
	var sizes []int
	for _, data := range readAll(t, cb.Unicast(), 3, MaxBatch) {
		sizes = append(sizes, len(data))
	}
	if want := []int{100, 100, 200}; !slices.Equal(sizes, want) {
		t.Errorf("datagrams of %v bytes, want %v", sizes, want)
	}
}

func TestSegmentsPastTheMTUAreRefused(t *testing.T) {
	a, b := newLAN(t)
	f := families[0]
	ca := a.open(f.path(a))
	_, err := ca.Unicast().Write([]Datagram{row(f.at(b), 3, 1473, 1473)}) // 1500 less the headers, and 1
	if err == nil || Transient(err) {
		t.Errorf("segments past the MTU: %v, want a lasting error", err)
	}
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("segments past the MTU: %v", err)
	}
}

func TestSegmentsOfADatagram(t *testing.T) {
	cases := []struct {
		length, size int
		want         []int
	}{
		{0, 0, []int{0}},
		{5, 0, []int{5}},
		{5, 5, []int{5}},
		{5, 9, []int{5}},
		{10, 4, []int{4, 4, 2}},
	}
	for _, c := range cases {
		var got []int
		d := Datagram{Data: make([]byte, c.length), SegmentSize: c.size}
		for segment := range d.Segments() {
			got = append(got, len(segment))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d bytes by %d: %v, want %v", c.length, c.size, got, c.want)
		}
	}
}
