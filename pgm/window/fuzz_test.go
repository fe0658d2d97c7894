package window

import (
	"testing"
	"time"

	"vipd/pgm/packet"
)

// FuzzSession plays packets of every kind, most of them near each other, to a session: the
// window stays in order, deadlines move on, and each number is handed on once at most.
func FuzzSession(f *testing.F) {
	f.Add([]byte{2, 0, 0, 1, 0, 0, 1, 0, 2, 5, 2, 0, 3, 0, 6, 0, 2, 4, 1, 7, 1})
	f.Add([]byte{0, 0, 0, 0, 4, 0, 2, 9, 9, 16, 2, 10, 9, 16, 3, 0, 200, 0, 7, 250, 7, 250})
	f.Add([]byte{0, 1, 1, 32, 0, 60, 60, 64, 2, 1, 60, 64, 2, 2, 60, 0, 7, 60, 5, 70, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		x := &fuzzed{t: t, s: NewSession(ReceiveConfig{Packets: 16, BackOff: time.Millisecond, Seed: 1, NCFRetries: 3, DataRetries: 3}), now: ms}
		for len(script) >= 4 {
			x.play(script[0], script[1], script[2], script[3])
			script = script[4:]
		}
		x.pass(3 * time.Second)
	})
}

// fuzzed is a session with its checks.
type fuzzed struct {
	t      *testing.T
	s      *Session
	now    Instant
	handed packet.Seq // first number that was not handed on in this life
	began  bool
}

// far lets a byte name a number near the start, or far from it.
func far(b byte) packet.Seq {
	switch {
	case b >= 250:
		return packet.Seq(b) << 24
	case b >= 240:
		return packet.Seq(b-240) << 13
	}
	return packet.Seq(b)
}

// play takes one packet, or lets time pass.
func (x *fuzzed) play(kind, a, b, c byte) {
	p := packet.Packet{Type: packet.ODATA, Seq: far(a), Trail: far(b), Payload: []byte{a}}
	if kind&8 != 0 {
		p.Type = packet.RDATA
	}
	for i, o := range []packet.Option{packet.OptSYN, packet.OptFIN, packet.OptRST, packet.OptJoin, packet.OptFragment} {
		if c&(8<<i) != 0 {
			p.Options.With(o)
		}
	}
	p.Options.Join = far(b ^ c&7)
	p.Options.Fragment = packet.Fragment{First: p.Seq.Add(-int(c & 3)), Offset: uint32(c & 3), Length: uint32(c & 7)}
	switch kind & 7 {
	case 0, 1, 4:
		x.s.Data(x.now, &p, func(b []byte) []byte { return append([]byte(nil), b...) })
	case 2, 5:
		p.Type, p.Lead = packet.SPM, far(b).Add(int(c&7)-1)
		x.s.SPM(x.now, &p)
	case 3:
		x.s.NCF(x.now, far(a))
	case 6:
		x.s.Allow(int(a) + 16)
	case 7:
		x.pass(time.Duration(a) * time.Millisecond)
	}
	x.look()
}

// pass lets time pass as a receiver does: until each deadline.
func (x *fuzzed) pass(d time.Duration) {
	for end := x.now.Add(d); x.now < end; {
		next := min(end, max(x.s.Deadline(), x.now.Add(100*time.Microsecond)))
		x.now = next
		x.look()
	}
}

// look does what is due, pulls what is ready and checks the window.
func (x *fuzzed) look() {
	var due [1 + packet.MaxNAKList]packet.Seq
	for rounds := 0; len(x.s.Due(x.now, due[:0])) == len(due); rounds++ {
		if rounds > 1000 {
			x.t.Fatal("asks without end")
		}
	}
	x.s.Question(x.now)
	if d := x.s.Deadline(); d <= x.now {
		x.t.Fatalf("deadline %d stays in the past at %d", d, x.now)
	}
	for {
		item := x.s.Pull()
		switch item.Kind {
		case Nothing:
			if err := inOrder(x.s.Live()); err != nil {
				x.t.Fatal(err)
			}
			return
		case Message:
			x.handOn(item.First, item.Last)
		case Hole:
			if item.Loss.Count() != item.Loss.Last.From(item.Loss.First)+1 {
				x.t.Fatalf("hole %+v counts %d", item.Loss, item.Loss.Count())
			}
			x.handOn(item.Loss.First, item.Loss.Last)
		case Restart:
			x.began = false
		}
	}
}

func (x *fuzzed) handOn(first, last packet.Seq) {
	if x.began && first.Before(x.handed) {
		x.t.Fatalf("%d to %d after everything before %d was handed on", first, last, x.handed)
	}
	x.handed, x.began = last.Add(1), true
}
