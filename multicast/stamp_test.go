package multicast

import (
	"testing"
	"time"
)

func TestStamps(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		cases := []struct {
			name string
			to   func() error
			by   *Socket
		}{
			{"unicast", func() error { return ca.Send([]byte("x"), f.at(b)) }, cb.Unicast()},
			{"group", func() error { return ca.SendGroup([]byte("x")) }, cb.Group()},
		}
		for _, c := range cases {
			_, err := c.by.Read(nil) // reads nothing, so the next is still the first
			must(t, err)
			must(t, c.to())
			if first := expect(t, c.by, "x", f.at(a)); first.StampValid {
				t.Errorf("%s: the first stamp is called valid", c.name)
			}
			for range 3 {
				before := time.Now()
				must(t, c.to())
				got := expect(t, c.by, "x", f.at(a))
				if !got.StampValid {
					t.Errorf("%s: the stamp is not valid", c.name)
				}
				// One clock serves both hosts; the bounds are exact.
				if after := time.Now(); got.Stamp.Before(before.Round(0)) || got.Stamp.After(after.Round(0)) {
					t.Errorf("%s: stamp %v is not from %v to %v", c.name, got.Stamp, before, after)
				}
			}
		}
	})
}

// The stamp tells when a datagram came, not when it was read.
func TestStampIsOfTheArrival(t *testing.T) {
	a, b := newLAN(t)
	f := families[0]
	ca, cb := a.open(f.path(a)), b.open(f.path(b))
	must(t, ca.Send([]byte("first"), f.at(b)))
	expect(t, cb.Unicast(), "first", f.at(a))
	const wait = 20 * time.Millisecond
	eventually(t, "a stamp is older than the wait in the queue", func() bool {
		must(t, ca.Send([]byte("waits"), f.at(b)))
		time.Sleep(wait) // real time in the kernel's queue
		read := time.Now()
		got := expect(t, cb.Unicast(), "waits", f.at(a))
		return got.StampValid && read.Sub(got.Stamp) >= wait/2
	})
}
