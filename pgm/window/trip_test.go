package window

import (
	"testing"
	"time"

	"vipd/pgm/packet"
)

// TestTripWaits: the waits follow what repairs take, within their bounds.
func TestTripWaits(t *testing.T) {
	const longest = 8 * time.Millisecond
	for _, c := range []struct {
		name    string
		repairs []time.Duration
		tries   uint8
		want    time.Duration
	}{
		{"nothing known", nil, 0, longest},
		{"nothing known, doubled", nil, 3, 8 * longest},
		{"nothing known, at most 16 times", nil, 100, 16 * longest},
		{"one repair", []time.Duration{time.Millisecond}, 0, 3 * time.Millisecond},
		{"a quarter at least", []time.Duration{time.Microsecond}, 0, longest / 4},
		{"the longest at most", []time.Duration{time.Second}, 0, longest},
		{"mean and spread", []time.Duration{800 * time.Microsecond, 1600 * time.Microsecond}, 0, 2900 * time.Microsecond},
		{"doubled from a quarter", []time.Duration{time.Microsecond}, 2, longest},
		{"a quarter, doubled to the same end", []time.Duration{time.Microsecond}, 100, 16 * longest},
	} {
		var p trip
		for _, d := range c.repairs {
			p.add(d)
		}
		if got := p.waitFor(c.tries, longest); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestRepairIsTimed: the second loss waits as long as the first one's repair suggests.
func TestRepairIsTimed(t *testing.T) {
	w := NewReceive(ReceiveConfig{Packets: 16, NCFWait: 8 * time.Millisecond, DataWait: 8 * time.Millisecond})
	w.Data(0, data(5, 5), []byte("a"))
	w.SPM(0, &packet.Packet{Type: packet.SPM, Trail: 5, Lead: 5})
	w.Data(0, data(7, 5), []byte("c"))
	if a := asked(w, ms); len(a) != 1 || w.Deadline() != 9*ms {
		t.Fatalf("asked for %v, then waits until %v", a, w.Deadline())
	}
	w.NCF(2*ms, 6)
	w.Data(2*ms, data(6, 5), []byte("b")) // after 1 ms: so 3 ms from now on
	w.Data(10*ms, data(9, 5), []byte("e"))
	if a := asked(w, 10*ms); len(a) != 1 || w.Deadline() != 13*ms {
		t.Errorf("asked for %v, then waits until %v, want 13 ms", a, w.Deadline())
	}
}
