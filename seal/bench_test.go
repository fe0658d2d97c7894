package seal

import "testing"

// BenchmarkSealOpen is one heartbeat's way: sealed by one node, opened by another.
func BenchmarkSealOpen(b *testing.B) {
	ring := newRing(b, plant, testKey(0))
	s, o := newSealer(b, ring, live), NewOpener(ring, Heartbeat)
	payload, sealed, opened := make([]byte, 128), make([]byte, 0, 256), make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		sealed = s.Seal(sealed[:0], payload)
		if _, _, err := o.Open(opened, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefuse is what a datagram costs that does not open, by what it claims.
func BenchmarkRefuse(b *testing.B) {
	ring := newRing(b, plant, testKey(0))
	s := newSealer(b, ring, live)
	first, second := s.Seal(nil, make([]byte, 128)), s.Seal(nil, make([]byte, 128))
	old := NewSealer(ring, stream(start-1, live+1)).Seal(nil, make([]byte, 128))
	cases := []struct {
		name     string
		datagram []byte
		want     Refusal
	}{
		{"version-1", append([]byte{1, 0, 0, 0, 0, 0x96, 0x04, 0x4d, 0x97}, make([]byte, 160)...), ErrOldVersion},
		{"old-start", old, ErrOldStart},
		{"cluster", change(second, AtCluster), ErrCluster},
		{"replay", first, ErrReplay},
		{"forged", change(second, len(second)-1), ErrForged},
		{"forged-unknown-session", change(second, atSession), ErrForged},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			o, opened := NewOpener(ring, Heartbeat), make([]byte, 0, 256)
			if _, _, err := o.Open(opened, first); err != nil {
				b.Fatal(err)
			}
			o.Confirm(sender, live)
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := o.Open(opened, c.datagram); err != c.want {
					b.Fatal(err)
				}
			}
		})
	}
}
