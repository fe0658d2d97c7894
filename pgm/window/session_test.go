package window

import (
	"fmt"
	"testing"
	"time"

	"vipd/pgm/packet"
)

// spmOf makes an SPM as parsed.
func spmOf(seq, trail, lead packet.Seq, options ...packet.Option) *packet.Packet {
	p := &packet.Packet{Type: packet.SPM, Seq: seq, Trail: trail, Lead: lead}
	for _, o := range options {
		p.Options.With(o)
	}
	return p
}

// player feeds a session and notes what it hands on.
type player struct {
	s     *Session
	now   Instant
	got   string
	asked int
}

func (x *player) data(n, trail packet.Seq, text string, options ...packet.Option) {
	p := data(n, trail)
	p.Payload = []byte(text)
	for _, o := range options {
		p.Options.With(o)
	}
	x.s.Data(x.now, p, func(b []byte) []byte { return append([]byte(nil), b...) })
	x.pull()
}

func (x *player) spm(p *packet.Packet) {
	x.s.SPM(x.now, p)
	x.pull()
}

// pass lets time pass; the source answers each question with an SPM.
func (x *player) pass(d time.Duration, answer func() *packet.Packet) {
	for end := x.now.Add(d); x.now < end; x.now += ms {
		asked(x.s.live, x.now)
		x.s.Due(x.now, nil)
		if x.s.Question(x.now) {
			x.asked++
			if answer != nil {
				x.spm(answer())
			}
		}
		x.pull()
	}
}

func (x *player) pull() {
	for {
		switch item := x.s.Pull(); item.Kind {
		case Nothing:
			return
		case Message:
			x.got += string(item.Message)
		case Hole:
			x.got += "_"
		case Finish:
			x.got += "."
		case Restart:
			x.got += "|"
		}
	}
}

// TestRestart begins another life under the identifier of the first, after an end and
// after a crash, with numbers of its own or with the same ones again: all of it comes,
// after a restart.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name        string
		first       packet.Seq // of the second life
		spm         packet.Seq
		end, syn    bool
		firstsLost  int // packets of the second life that are lost at its start
		want        string
		dataOnlyEnd bool
	}{
		{name: "after an end, the same numbers", end: true, want: "abcde.|fghij"},
		{name: "after an end, other numbers", first: 1 << 30, spm: 1 << 20, end: true, syn: true, want: "abcde.|fghij"},
		{name: "after a crash, the same numbers", want: "abcde|fghij"},
		{name: "after a crash, the same numbers, with OPT_SYN", syn: true, want: "abcde|fghij"},
		{name: "after a crash, other numbers", first: 0xFFFFFFFE, spm: 77777777, want: "abcde|fghij"},
		{name: "after a crash, numbers a little ahead", first: 5000, spm: 77777777, syn: true, want: "abcde|fghij"},
		{name: "after a crash, the first packet lost", first: 1 << 31, spm: 9999999, firstsLost: 1, want: "abcde|fghij"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := &player{s: NewSession(ReceiveConfig{Packets: 16}), now: ms}
			for i := range packet.Seq(3) {
				x.spm(spmOf(i, 0, 0xFFFFFFFF))
			}
			for i := range packet.Seq(5) {
				x.data(i, 0, string("abcde"[i]))
			}
			if c.end {
				x.spm(spmOf(3, 0, 4, packet.OptFIN))
				x.spm(spmOf(4, 0, 4, packet.OptFIN))
			}
			x.now = x.now.Add(time.Second)
			n, lead := c.spm, c.first.Add(-1)
			answer := func() *packet.Packet { n++; return spmOf(n-1, c.first, lead) }
			for range 3 {
				x.spm(answer())
			}
			for i := range packet.Seq(5) {
				lead = c.first + i
				if int(i) >= c.firstsLost {
					var o []packet.Option
					if c.syn && i == 0 {
						o = append(o, packet.OptSYN)
					}
					x.data(lead, c.first, string("fghij"[i]), o...)
				}
				x.pass(time.Millisecond, answer)
			}
			x.pass(200*time.Millisecond, answer)
			if c.firstsLost > 0 {
				p := data(c.first, c.first)
				p.Type, p.Payload = packet.RDATA, []byte("f")
				x.s.Data(x.now, p, func(b []byte) []byte { return b })
				x.pull()
			}
			if x.got != c.want {
				t.Errorf("got %q, want %q", x.got, c.want)
			}
		})
	}
}

// TestOneForgedPacketEndsNothing: no single packet, whatever it claims, ends a session or
// keeps what follows from being handed on, as long as the source goes on.
func TestOneForgedPacketEndsNothing(t *testing.T) {
	forged := map[string]func(x *player){
		"FIN":                           func(x *player) { x.spm(spmOf(10, 0, 4, packet.OptFIN)) },
		"FIN of an SPM far ahead":       func(x *player) { x.spm(spmOf(10000, 0, 4, packet.OptFIN)) },
		"FIN with more sent":            func(x *player) { x.spm(spmOf(10, 0, 12, packet.OptFIN)) },
		"RST":                           func(x *player) { x.spm(spmOf(10, 0, 4, packet.OptRST)) },
		"RST of an SPM far ahead":       func(x *player) { x.spm(spmOf(1<<29, 0, 4, packet.OptRST)) },
		"FIN on data":                   func(x *player) { x.data(3, 0, "d", packet.OptFIN) },
		"SYN":                           func(x *player) { x.data(1<<30, 1<<30, "x", packet.OptSYN) },
		"SYN of an old number":          func(x *player) { x.data(2, 0, "x", packet.OptSYN) },
		"SPM of another life":           func(x *player) { x.spm(spmOf(0, 1<<30, 1<<30)) },
		"SPM ahead":                     func(x *player) { x.spm(spmOf(1000, 0, 4)) },
		"SPM ahead with more sent":      func(x *player) { x.spm(spmOf(1000, 0, 60)) },
		"SPM that gives everything up":  func(x *player) { x.spm(spmOf(10, 1000, 999)) },
		"data that gives everything up": func(x *player) { x.data(1000, 1000, "x") },
		"data far ahead":                func(x *player) { x.data(1<<25, 1<<25, "x") },
	}
	for name, forge := range forged {
		t.Run(name, func(t *testing.T) {
			x := &player{s: NewSession(ReceiveConfig{Packets: 16}), now: ms}
			n, lead := packet.Seq(5), packet.Seq(4)
			answer := func() *packet.Packet { n++; return spmOf(n-1, 0, lead) }
			x.spm(spmOf(4, 0, 0xFFFFFFFF))
			for i := range packet.Seq(5) {
				x.data(i, 0, string("abcde"[i]))
			}
			x.spm(answer())
			forge(x)
			x.pass(3*time.Second, answer)
			for i := range packet.Seq(5) {
				lead = 5 + i
				x.data(lead, 0, string("fghij"[i]))
				x.pass(100*time.Millisecond, answer)
			}
			if x.got != "abcdefghij" {
				t.Errorf("got %q after %d questions", x.got, x.asked)
			}
		})
	}
}

// TestForgedNCF: one NCF for a number that was never sent makes nothing of what follows lost,
// though the source is quiet for longer than a number is asked for.
func TestForgedNCF(t *testing.T) {
	for _, from := range []packet.Seq{5, 6, 40, 60} {
		x := &player{s: NewSession(ReceiveConfig{Packets: 16}), now: ms}
		n, lead := packet.Seq(4), packet.Seq(4)
		answer := func() *packet.Packet { n++; return spmOf(n-1, 0, lead) }
		for i := range packet.Seq(5) {
			x.data(i, 0, string("abcde"[i]))
		}
		x.spm(answer())
		x.s.NCF(x.now, from)
		for range 30 {
			x.pass(time.Second, answer)
			x.spm(answer())
		}
		for i := range packet.Seq(5) {
			lead = 5 + i
			x.data(lead, 0, string("fghij"[i]))
			x.pass(100*time.Millisecond, answer)
		}
		if x.got != "abcdefghij" {
			t.Errorf("NCF for %d: got %q", from, x.got)
		}
	}
}

// TestOneForgedPacketAfterTheEnd: no single packet, whatever it claims, begins another life,
// moves the end or gives up what a source that has finished still repairs.
func TestOneForgedPacketAfterTheEnd(t *testing.T) {
	forged := map[string]func(x *player){
		"FIN of an SPM ahead":      func(x *player) { x.spm(spmOf(70, 0, 4, packet.OptFIN)) },
		"FIN with more sent":       func(x *player) { x.spm(spmOf(10, 0, 12, packet.OptFIN)) },
		"FIN with less sent":       func(x *player) { x.spm(spmOf(10, 0, 2, packet.OptFIN)) },
		"RST":                      func(x *player) { x.spm(spmOf(10, 0, 4, packet.OptRST)) },
		"RST of an SPM far ahead":  func(x *player) { x.spm(spmOf(1<<29, 0, 4, packet.OptRST)) },
		"RST with more sent":       func(x *player) { x.spm(spmOf(10, 0, 40, packet.OptRST)) },
		"FIN and RST":              func(x *player) { x.spm(spmOf(10, 0, 4, packet.OptFIN, packet.OptRST)) },
		"FIN on data":              func(x *player) { x.data(1, 0, "b", packet.OptFIN) },
		"SPM ahead without an end": func(x *player) { x.spm(spmOf(70, 0, 4)) },
		"SPM with more sent":       func(x *player) { x.spm(spmOf(10, 0, 40)) },
		"SPM of another life":      func(x *player) { x.spm(spmOf(0, 1<<30, 1<<30)) },
		"data after the end":       func(x *player) { x.data(5, 0, "x") },
		"SYN":                      func(x *player) { x.data(1<<30, 1<<30, "x", packet.OptSYN) },
	}
	for name, forge := range forged {
		for _, after := range []int{0, 1, 3} { // packets that tell of the end
			t.Run(fmt.Sprint(name, " after ", after), func(t *testing.T) {
				x := &player{s: NewSession(ReceiveConfig{Packets: 16}), now: ms}
				n := packet.Seq(5)
				answer := func() *packet.Packet { n++; return spmOf(n-1, 0, 4, packet.OptFIN) }
				x.spm(spmOf(4, 0, 0xFFFFFFFF))
				for _, i := range []packet.Seq{0, 1, 2, 4} {
					x.data(i, 0, string("abcde"[i]))
				}
				for i := range 4 {
					if i == after {
						forge(x)
					}
					x.spm(answer())
				}
				for range 20 {
					x.pass(100*time.Millisecond, answer)
					x.spm(answer())
				}
				p := data(3, 0)
				p.Type, p.Payload = packet.RDATA, []byte("d")
				x.s.Data(x.now, p, func(b []byte) []byte { return b })
				x.pass(100*time.Millisecond, answer)
				if x.got != "abcde." || x.s.Lives() != 1 {
					t.Errorf("got %q of %d lives after %d questions", x.got, x.s.Lives(), x.asked)
				}
			})
		}
	}
}

// TestResetAndOneForgedPacket: a source that resets its session and is gone has told of it
// three times; one forged packet that tells of more sent changes nothing.
func TestResetAndOneForgedPacket(t *testing.T) {
	x := &player{s: NewSession(ReceiveConfig{Packets: 16}), now: ms}
	x.spm(spmOf(4, 0, 0xFFFFFFFF))
	x.data(0, 0, "a")
	x.data(1, 0, "b")
	x.spm(spmOf(10, 0, 12, packet.OptRST))
	for i := range packet.Seq(3) {
		x.spm(spmOf(5+i, 0, 1, packet.OptRST))
	}
	x.pass(3*time.Second, nil)
	if x.got != "ab." {
		t.Errorf("got %q", x.got)
	}
}

// TestEndToldOnce: an end whose other packets are lost is believed after a while.
func TestEndToldOnce(t *testing.T) {
	for _, o := range []packet.Option{packet.OptFIN, packet.OptRST} {
		x := &player{s: NewSession(ReceiveConfig{Packets: 16}), now: ms}
		x.data(0, 0, "a")
		x.spm(spmOf(0, 0, 0, o))
		if x.got != "a" {
			t.Errorf("%q after one packet", x.got)
		}
		x.pass(endProof+2*time.Millisecond, nil)
		if x.got != "a." || x.asked == 0 {
			t.Errorf("%q after a second and %d questions", x.got, x.asked)
		}
	}
}

// TestNCFInWaitData: each NCF lets the wait for RDATA begin again (section 6.3).
func TestNCFInWaitData(t *testing.T) {
	w := NewReceive(ReceiveConfig{Packets: 16, DataWait: 30 * time.Millisecond})
	w.SPM(0, spmOf(1, 5, 4))
	w.Data(0, data(5, 5), []byte("a"))
	w.Data(0, data(7, 5), []byte("c"))
	asked(w, ms)
	w.NCF(2*ms, 6)
	w.NCF(20*ms, 6)
	if d := w.Deadline(); d != 50*ms {
		t.Errorf("RDATA awaited until %v, want 50 ms", d/ms)
	}
}

// TestPacketsThatNobodyReceives: a packet that is repaired again and again is repaired less
// and less often.
func TestPacketsThatNobodyReceives(t *testing.T) {
	w := NewSend(SendConfig{Packets: 4, MaxPacket: 64, Holdoff: time.Millisecond})
	p := packet.Packet{Type: packet.ODATA, Payload: []byte("a")}
	w.Push(0, p.Append(w.Buffer()))
	repairs := 0
	for now := ms; now < 10_000*ms; now += 2 * ms {
		if w.Ask(now, 0); w.Repair(now) != nil {
			repairs++
		}
	}
	if repairs < manyRepairs+10 || repairs > manyRepairs+25 {
		t.Errorf("%d repairs in 10 s", repairs)
	}
	if n, number, octets := w.Unheard(); n != 1 || number != 0 || octets != 25 {
		t.Errorf("unheard: %d, number %d, %d octets", n, number, octets)
	}
}

// TestNoRepairsInDoubt: while it is not clear whose numbers they are, nothing is asked for.
func TestNoRepairsInDoubt(t *testing.T) {
	s := NewSession(ReceiveConfig{Packets: 16})
	keep := func(b []byte) []byte { return b }
	s.SPM(ms, spmOf(4, 0, 0xFFFFFFFF))
	for _, n := range []packet.Seq{0, 1, 2, 4} {
		s.Data(ms, data(n, 0), keep)
	}
	s.SPM(ms, spmOf(0, 1<<30, 1<<30))
	for now := ms; now < 40*ms; now += ms {
		if a := s.Due(now, nil); len(a) > 0 {
			t.Fatalf("asked for %v in doubt", a)
		}
	}
	s.SPM(40*ms, spmOf(5, 0, 4))
	if a := s.Due(40*ms, nil); len(a) != 1 || a[0] != 3 {
		t.Errorf("asked for %v after the doubt, want 3", a)
	}
}
