package seal

import (
	"slices"
	"testing"
)

// change returns a copy of a datagram with one byte changed.
func change(datagram []byte, at int) []byte {
	changed := slices.Clone(datagram)
	changed[at] ^= 0x10
	return changed
}

func TestRefusals(t *testing.T) {
	ring := newRing(t, plant, testKey(0), testKey(1))
	good := newSealer(t, ring, live).Seal(nil, []byte("alive"))
	by := func(cluster string, key Key) []byte {
		return newSealer(t, newRing(t, cluster, key), live).Seal(nil, []byte("alive"))
	}
	slot4 := slices.Clone(good)
	slot4[AtSender] = sender + 1
	long, other := slices.Clone(good), slices.Clone(good)
	long[AtLength], other[AtKind] = uint8(len(good)-TagSize+1), uint8(Heartbeat)+1
	old := append([]byte{1, 0xdc, 0x9c, 0x16, 0xa9, 0x96, 0x04, 0x4d, 0x97, sender}, make([]byte, 32)...)
	cases := []struct {
		name     string
		datagram []byte
		want     Refusal
	}{
		{"nothing", nil, ErrShort},
		{"a version alone", []byte{Version}, ErrShort},
		{"one byte short of a tag", good[:Overhead-1], ErrShort},
		{"the next version", change(good, 0), ErrVersion},
		{"the version before", old, ErrOldVersion},
		{"the version before, of another cluster", change(old, oldAtCluster), ErrCluster},
		{"the version before, short", old[:len(old)-1], ErrShort},
		{"a header under the least", change(good, AtLength), ErrShort},
		{"a header with no room for a tag behind it", long, ErrShort},
		{"another kind", other, ErrKind},
		{"version 0", make([]byte, 100), ErrVersion},
		{"another version, short", []byte{0x16, 3, 1}, ErrVersion},
		{"another cluster", by("mill", testKey(0)), ErrCluster},
		{"another cluster's key too", by("mill", testKey(9)), ErrCluster},
		{"another key", by(plant, testKey(9)), ErrKey},
		{"another sender", slot4, ErrForged},
		{"another session", change(good, atSession), ErrForged},
		{"another start", change(good, atStart), ErrForged},
		{"another salt", change(good, atNonce), ErrForged},
		{"a changed tag of the header", change(good, atHeaderTag), ErrForged},
		{"another counter", change(good, atCounter+7), ErrForged},
		{"a changed payload", change(good, HeaderSize), ErrForged},
		{"a changed tag", change(good, len(good)-1), ErrForged},
		{"a byte too few", good[:len(good)-1], ErrForged},
		{"a byte too many", append(slices.Clone(good), 0), ErrForged},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { refuses(t, NewOpener(ring, Heartbeat), c.datagram, c.want) })
	}
}

func TestRefusalNamesTheHeader(t *testing.T) {
	o := NewOpener(newRing(t, plant, testKey(0)), Heartbeat)
	foreign := newSealer(t, newRing(t, "mill", testKey(0)), live).Seal(nil, nil)
	if h := refuses(t, o, foreign, ErrCluster); h.Cluster != ClusterHash("mill") || h.Sender != sender {
		t.Errorf("foreign cluster: %+v", h)
	}
	other := newSealer(t, newRing(t, plant, testKey(9)), live).Seal(nil, nil)
	if h := refuses(t, o, other, ErrKey); h.KeyID != testKey(9).ID() {
		t.Errorf("other key: %+v", h)
	}
	if h := refuses(t, o, []byte{7, 1, 2, 3}, ErrVersion); h != (Header{Version: 7}) {
		t.Errorf("other version: %+v", h)
	}
}

func TestForgeriesLeaveNoTrace(t *testing.T) {
	ring := newRing(t, plant, testKey(0))
	s, o := newSealer(t, ring, live), NewOpener(ring, Heartbeat)
	opens(t, o, s.Seal(nil, nil), "")
	good := s.Seal(nil, []byte("alive"))
	for at := range good {
		for bit := range 8 {
			changed := slices.Clone(good)
			changed[at] ^= 1 << bit
			if _, _, err := o.Open(nil, changed); err == nil {
				t.Fatalf("bit %d of byte %d changed, and it opened", bit, at)
			}
		}
	}
	opens(t, o, good, "alive") // no forgery took its counter or displaced its session
}

func TestRefusalNamesAreStable(t *testing.T) {
	want := []string{"version", "short", "cluster", "version-1", "kind", "key", "retired", "old-start", "too-old", "replay", "forged"}
	var got []string
	for r := range Refusals() {
		got = append(got, r.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
	if got := ErrForged.Error(); got != "datagram refused: forged" {
		t.Errorf("message %q", got)
	}
	if Refusal(0).String() != "unknown" || refusals.String() != "unknown" {
		t.Error("a reason that does not exist has a name")
	}
	if NewOpener(newRing(t, plant, testKey(0)), Heartbeat).Refused(refusals) != 0 {
		t.Error("a reason that does not exist was counted")
	}
}

// remembers reports whether an opener knows any session.
func remembers(o *Opener) bool {
	return slices.ContainsFunc(o.senders[:], func(s sessions) bool { return s.live != nil || s.pending != nil || s.odd != nil || s.bar != 0 })
}

// FuzzOpen opens arbitrary bytes: none opens that was not sealed.
func FuzzOpen(f *testing.F) {
	ring := newRing(f, plant, testKey(0), testKey(1))
	good := newSealer(f, ring, live).seal(nil, []byte("alive"), nil, 7) // a fuzz worker makes the same one
	f.Add(good)
	f.Add(good[:HeaderSize])
	f.Add(change(good, atNonce))
	added := newSealer(f, ring, live).seal(nil, nil, make([]byte, 9), 0)
	f.Add(added)
	f.Add(append([]byte{1}, good...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		o := NewOpener(ring, Heartbeat)
		_, payload, err := o.Open(nil, datagram)
		if (err == nil) != (slices.Equal(datagram, good) || slices.Equal(datagram, added)) {
			t.Fatalf("%x: %v", datagram, err)
		}
		if err != nil && (payload != nil || remembers(o)) {
			t.Fatalf("%x: refused, and left a trace", datagram)
		}
	})
}
