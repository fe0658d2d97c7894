package seal

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestNewRingRefuses(t *testing.T) {
	cases := []struct {
		name     string
		cluster  string
		active   Key
		accepted []Key
		want     string
	}{
		{"no name", "", testKey(0), nil, "no name"},
		{"empty key", plant, Key{}, nil, "empty"},
		{"empty second key", plant, testKey(0), []Key{{}}, "empty"},
		{"the same key twice", plant, testKey(0), []Key{testKey(0)}, "key dc9c16a9 is there twice"},
		{"three keys", plant, testKey(0), []Key{testKey(1), testKey(2)}, "3 keys, want at most 2"},
	}
	for _, c := range cases {
		if _, err := NewRing(c.cluster, c.active, c.accepted...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestChangeOfKeysLosesNothing(t *testing.T) {
	older, newer := testKey(0), testKey(1)
	rings := []*Ring{
		newRing(t, plant, older),
		newRing(t, plant, older, newer),
		newRing(t, plant, newer, older),
		newRing(t, plant, newer),
	}
	s, o := newSealer(t, rings[0], live), NewOpener(rings[0], Heartbeat)
	var first []byte
	for step := 1; step < len(rings); step++ {
		// One node is a step ahead of the other, first this way, then that way.
		for _, nodes := range [][2]*Ring{{rings[step-1], rings[step]}, {rings[step], rings[step-1]}, {rings[step], rings[step]}} {
			s.Use(nodes[0])
			o.Use(nodes[1])
			datagram := s.Seal(nil, []byte("alive"))
			opens(t, o, datagram, "alive")
			if first == nil {
				first = datagram
			}
			if slices.Contains(nodes[1].KeyIDs(), older.ID()) {
				refuses(t, o, first, ErrReplay) // the window outlives the change
			}
		}
	}
	refuses(t, o, first, ErrKey)
}

func TestGoingBackToAKeyUsesNoNonceTwice(t *testing.T) {
	a, b := newRing(t, plant, testKey(0)), newRing(t, plant, testKey(1))
	s := newSealer(t, a, live)
	used := map[string]bool{}
	for range 3 {
		for _, ring := range []*Ring{a, b} {
			s.Use(ring)
			header := string(s.seal(nil, nil, nil, 0)[:HeaderSize])
			if used[header] {
				t.Fatalf("header %x twice", header)
			}
			used[header] = true
		}
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	// Everything that goes into a derivation makes another key.
	ring := newRing(t, plant, testKey(0), testKey(1))
	seals := [][]byte{
		ring.derive(0, Stream{1, 0, 1, 1}).Seal(nil, make([]byte, 12), nil, nil),
		ring.derive(1, Stream{1, 0, 1, 1}).Seal(nil, make([]byte, 12), nil, nil),
		ring.derive(0, Stream{2, 0, 1, 1}).Seal(nil, make([]byte, 12), nil, nil),
		ring.derive(0, Stream{1, 1, 1, 1}).Seal(nil, make([]byte, 12), nil, nil),
		ring.derive(0, Stream{1, 0, 2, 1}).Seal(nil, make([]byte, 12), nil, nil),
		ring.derive(0, Stream{1, 0, 1, 2}).Seal(nil, make([]byte, 12), nil, nil),
		newRing(t, "plant2", testKey(0)).derive(0, Stream{1, 0, 1, 1}).Seal(nil, make([]byte, 12), nil, nil),
	}
	for i := range seals {
		for j := range i {
			if slices.Equal(seals[i], seals[j]) {
				t.Errorf("keys %d and %d are alike", i, j)
			}
		}
	}
}

func TestNothingPrintsAKey(t *testing.T) {
	key := testKey(0)
	ring := newRing(t, plant, key)
	sealer := newSealer(t, ring, live)
	secrets := []string{
		fmt.Sprintf("%x", key[:]), fmt.Sprintf("%X", key[:]), fmt.Sprint(key[:]), string(key[:8]), "4 5 6 7",
		"0x4, 0x5",
	}
	asJSON, _ := json.Marshal(map[string]any{"key": key})
	shown := []string{string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, value := range []any{key, &key, []Key{key}, ring, sealer, NewOpener(ring, Heartbeat)} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	for _, text := range shown {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%.60q gives away a key", text)
			}
		}
	}
	if got := fmt.Sprint(key); got != "key dc9c16a9" {
		t.Errorf("prints as %q", got)
	}
	if got := fmt.Sprint(ring); got != "ring of cluster plant, keys [dc9c16a9]" {
		t.Errorf("ring prints as %q", got)
	}
}
