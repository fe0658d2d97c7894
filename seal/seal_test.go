package seal

import (
	"bytes"
	"encoding/hex"
	"sync"
	"testing"
)

// Fixed facts of the tests.
const (
	plant         = "plant"
	sender        = 3
	live   uint64 = 0x0102030405060708
	start  uint64 = 7
)

// stream is a stream of the test's sender.
func stream(start, session uint64) Stream {
	return Stream{Kind: Heartbeat, Sender: sender, Start: start, Session: session}
}

// testKey is a key of 32 bytes that count up from first.
func testKey(first byte) (k Key) {
	for i := range k {
		k[i] = first + byte(i)
	}
	return k
}

func newRing(t testing.TB, cluster string, active Key, accepted ...Key) *Ring {
	t.Helper()
	r, err := NewRing(cluster, active, accepted...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newSealer(t testing.TB, r *Ring, session uint64) *Sealer {
	t.Helper()
	return NewSealer(r, stream(start, session))
}

// opens fails the test unless the datagram opens to the payload.
func opens(t *testing.T, o *Opener, datagram []byte, payload string) Header {
	t.Helper()
	header, got, err := o.Open(nil, datagram)
	if err != nil || string(got) != payload {
		t.Fatalf("Open = %q, %v, want %q", got, err, payload)
	}
	return header
}

// refuses fails the test unless the datagram is refused for this reason.
func refuses(t *testing.T, o *Opener, datagram []byte, want Refusal) Header {
	t.Helper()
	before := o.Refused(want)
	header, got, err := o.Open(nil, datagram)
	if err != want || got != nil {
		t.Fatalf("Open = %q, %v, want %v", got, err, want)
	}
	if after := o.Refused(want); after != before+1 {
		t.Errorf("%v counted %d times, want once", want, after-before)
	}
	return header
}

// golden is what the wire format says, computed by another implementation of
// HKDF, CMAC and GCM: key 00..1f, cluster "plant", sender 3, start 7, salt
// a1b2c3d4, first datagram, "alive"; the second with "later" behind the header.
var golden = []struct{ additions, datagram string }{
	{"", "0230010396044d97dc9c16a900000000000000070102030405060708a1b2c3d40000000000000001" +
		"5e122a95809f5400" + "76bb0171ffbc2ba99ad8a08fb1b1a942c2a15365d6"},
	{"later", "0235010396044d97dc9c16a900000000000000070102030405060708a1b2c3d40000000000000001" +
		"31a4d604aa06bd55" + "6c61746572" + "76bb0171fff48a108a8cf6cc7f7bf1bae1b9c73cfe"},
}

func TestGoldenBytes(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	for _, c := range golden {
		datagram := newSealer(t, ring, live).seal([]byte("before"), []byte("alive"), []byte(c.additions), 0xa1b2c3d4)
		if got := hex.EncodeToString(datagram[len("before"):]); got != c.datagram {
			t.Errorf("sealed\n%s, want\n%s", got, c.datagram)
		}
		if !bytes.HasPrefix(datagram, []byte("before")) {
			t.Error("Seal did not append")
		}
		header := opens(t, NewOpener(ring, Heartbeat), datagram[len("before"):], "alive")
		want := Header{Version: 2, Length: uint8(HeaderSize + len(c.additions)), Stream: stream(start, live),
			KeyID: 0xdc9c16a9, Cluster: 0x96044d97, Counter: 1}
		if header != want {
			t.Errorf("header %+v, want %+v", header, want)
		}
	}
}

// What a later program adds to the header is skipped, and can't be changed.
func TestAdditionsAreSkippedAndAuthentic(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	s, o := newSealer(t, ring, live), NewOpener(ring, Heartbeat)
	for size := range MaxHeader - HeaderSize + 1 {
		datagram := s.seal(nil, []byte("alive"), make([]byte, size), newSalt())
		if size > 0 {
			refuses(t, o, change(datagram, HeaderSize+size-1), ErrForged)
		}
		if size%2 == 0 {
			opens(t, o, datagram, "alive")
		} else if _, got, err := o.OpenInPlace(datagram); err != nil || string(got) != "alive" {
			t.Fatalf("in place, %d more: %q, %v", size, got, err)
		}
	}
}

// Two copies of a machine have the same stream and counter; the nonces differ.
func TestCopiesUseOtherNonces(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	a, b := newSealer(t, ring, live), newSealer(t, ring, live)
	for range 1000 {
		one, other := a.Seal(nil, nil), b.Seal(nil, nil)
		if bytes.Equal(one[atNonce:atHeaderTag], other[atNonce:atHeaderTag]) {
			t.Fatalf("nonce %x twice", one[atNonce:atHeaderTag])
		}
	}
}

func TestPayloadsOfEverySizeComeBack(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	s, o := newSealer(t, ring, live), NewOpener(ring, Heartbeat)
	for _, size := range []int{0, 1, 15, 16, 17, 128, 1280, 65507 - Overhead} {
		payload := bytes.Repeat([]byte{0xa5}, size)
		datagram := s.Seal(nil, payload)
		if len(datagram) != size+Overhead {
			t.Errorf("%d bytes sealed to %d, want %d more", size, len(datagram), Overhead)
		}
		opens(t, o, datagram, string(payload))
	}
}

func TestOpenInPlaceAndBehind(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	s, o := newSealer(t, ring, live), NewOpener(ring, Heartbeat)
	datagram := s.Seal(nil, []byte("in place"))
	_, got, err := o.OpenInPlace(datagram)
	if err != nil || string(got) != "in place" {
		t.Errorf("in place: %q, %v", got, err)
	}
	_, got, err = o.Open([]byte("be"), s.Seal(nil, []byte("hind")))
	if err != nil || string(got) != "behind" {
		t.Errorf("behind: %q, %v", got, err)
	}
}

func TestKnownSessionsAllocateNothing(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	s, o := newSealer(t, ring, live), NewOpener(ring, Heartbeat)
	payload := make([]byte, 128)
	datagram := make([]byte, 0, len(payload)+Overhead)
	opened := make([]byte, 0, len(payload))
	allocs := testing.AllocsPerRun(1000, func() {
		datagram = s.Seal(datagram[:0], payload)
		if _, _, err := o.Open(opened, datagram); err != nil {
			t.Fatal(err)
		}
		if _, _, err := o.Open(opened, datagram); err != ErrReplay {
			t.Fatal(err)
		}
	})
	if allocs != 0 && !raced {
		t.Errorf("%v allocations for each datagram, want none", allocs)
	}
}

func TestGoroutinesShareASealerAndAnOpener(t *testing.T) {
	const goroutines, each = 4, windowSize / 4 // all fit into the window, in any order
	ring := newRing(t, plant, testKey(0))
	s, o := newSealer(t, ring, live), NewOpener(ring, Heartbeat)
	opens(t, o, s.Seal(nil, nil), "") // the session begins here
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				if _, _, err := o.Open(nil, s.Seal(nil, []byte("x"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if next := opens(t, o, s.Seal(nil, nil), ""); next.Counter != goroutines*each+2 {
		t.Errorf("counter %d, want %d: one was used twice", next.Counter, goroutines*each+2)
	}
}
