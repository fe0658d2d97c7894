package window

import (
	"testing"
	"time"

	"vipd/pgm/packet"
)

const ms = Instant(time.Millisecond)

func TestSPMTimer(t *testing.T) {
	timer := NewSPMTimer(0, SPMConfig{Ambient: 100 * time.Millisecond, Min: 10 * time.Millisecond, Max: 40 * time.Millisecond})
	var sent []Instant
	for now := Instant(0); now <= 200*ms; now += ms {
		if now == 5*ms || now == 120*ms {
			timer.Data(now)
		}
		if timer.Due(now) {
			sent = append(sent, now/ms)
		}
	}
	want := []Instant{0, 15, 35, 75, 100, 115, 130, 150, 190, 200}
	if len(sent) != len(want) {
		t.Fatalf("sent at %v ms, want %v", sent, want)
	}
	for i := range want {
		if sent[i] != want[i] {
			t.Fatalf("sent at %v ms, want %v", sent, want)
		}
	}
}

func TestBucket(t *testing.T) {
	b := NewBucket(0, 1000, 100) // 1000 octets a second, 100 at once
	if d := b.Take(0, 100); d != 0 {
		t.Errorf("a full bucket makes wait %v", d)
	}
	if d := b.Take(0, 50); d < 50*time.Millisecond || d > 51*time.Millisecond {
		t.Errorf("50 octets from an empty bucket: %v, want 50 ms", d)
	}
	if d := b.Take(50*ms, 50); d != 0 {
		t.Errorf("after 50 ms: %v", d)
	}
	if d := b.Take(151*ms, 300); d != 0 {
		t.Errorf("more than a full bucket holds: %v, want debt", d)
	}
	if d := b.Take(152*ms, 1); d < 200*time.Millisecond {
		t.Errorf("in debt: %v", d)
	}
	var none Bucket
	if d := none.Take(0, 1<<30); d != 0 {
		t.Errorf("the zero bucket makes wait %v", d)
	}
}

func TestFlow(t *testing.T) {
	f := NewFlow(2, 0, 10, 100*time.Millisecond)
	if !f.MaySend(0, 0, 10) || f.MaySend(0, 10, 1) {
		t.Fatal("a silent receiver must be kept exactly one window")
	}
	f.Report(0, Progress{Next: 10, Edge: 30}, 0, 10)
	f.Report(1, Progress{Next: 4, Edge: 12}, 0, 10)
	if h := f.Hold(10); h != 4 {
		t.Errorf("hold %d, want 4", h)
	}
	if !f.MaySend(ms, 10, 2) || f.MaySend(2*ms, 12, 1) {
		t.Error("receiver 1 has room up to 12")
	}
	f.Report(1, Progress{Next: 99, Edge: 100}, 0, 12)
	f.Report(1, Progress{Next: 2, Edge: 100}, 0, 12)
	if p, _ := f.Progress(1); p.Next != 4 {
		t.Errorf("believed a report from the past or the future: %+v", p)
	}
	if d := f.Deadline(); d != 102*ms {
		t.Errorf("deadline %v, want 102 ms", d/ms)
	}
	if l := f.LeaveBehind(101*ms, 12); l != nil {
		t.Errorf("left %v too early", l)
	}
	if l := f.LeaveBehind(102*ms, 12); len(l) != 1 || l[0] != 1 {
		t.Fatalf("left %v, want receiver 1", l)
	}
	if !f.MaySend(103*ms, 12, 1) || f.Hold(12) != 10 {
		t.Error("one who is left behind must not hold the sender")
	}
	if f.Report(1, Progress{Next: 4, Edge: 40}, 0, 9) {
		t.Error("caught up without moving")
	}
	if f.Report(1, Progress{Next: 5, Edge: 40}, 6, 13) {
		t.Error("caught up, though older than the trail")
	}
	if !f.Report(1, Progress{Next: 9, Edge: 40}, 6, 13) {
		t.Error("not caught up")
	}
	if _, left := f.Progress(1); left || f.Hold(13) != 9 {
		t.Error("one who caught up counts again")
	}
}

func TestSendWindow(t *testing.T) {
	w := NewSend(SendConfig{Packets: 3, MaxPacket: 64, Holdoff: time.Millisecond, First: 0xFFFFFFFE})
	push := func(now Instant) {
		p := packet.Packet{Type: packet.ODATA, Seq: w.Next(), Trail: w.Trail(), Payload: []byte{byte(w.Next())}}
		w.Push(now, p.Append(w.Buffer()))
	}
	if w.Lead() != w.Trail()-1 || w.Packet(w.Trail()) != nil {
		t.Fatal("a fresh window is empty")
	}
	for range 4 {
		push(0)
	}
	if w.Trail() != 0xFFFFFFFF || w.Lead() != 1 {
		t.Fatalf("window %d..%d", w.Trail(), w.Lead())
	}
	if w.Ask(0, 0xFFFFFFFE) || w.Ask(0, 2) {
		t.Error("confirmed a number outside the window")
	}
	for range 2 {
		if !w.Ask(0, 1) || w.Repairs() != 1 {
			t.Error("asking twice must repair once")
		}
	}
	var p packet.Packet
	if err := p.Parse(w.Repair(5 * ms)); err != nil || p.Seq != 1 || p.Type != packet.RDATA || p.Trail != 0xFFFFFFFF {
		t.Errorf("repair %+v, %v", p, err)
	}
	if !w.Ask(5*ms, 1) || w.Repair(5*ms) != nil {
		t.Error("repaired again within the hold-off")
	}
	if !w.Ask(6*ms, 1) || w.Repair(6*ms) == nil {
		t.Error("not repaired after the hold-off")
	}
	w.Ask(9*ms, 0xFFFFFFFF)
	push(9 * ms) // lets 0xFFFFFFFF go
	if w.Repair(9*ms) != nil {
		t.Error("repaired a number that had left the window")
	}
}

// asked lets time pass and returns what is asked for.
func asked(w *Receive, now Instant) []packet.Seq { return w.Due(now, make([]packet.Seq, 0, 63)) }

// data makes an ODATA as parsed.
func data(seq, trail packet.Seq) *packet.Packet {
	return &packet.Packet{Type: packet.ODATA, Seq: seq, Trail: trail}
}

// TestStates walks one number through BACK_OFF, WAIT_NCF and WAIT_DATA.
func TestStates(t *testing.T) {
	w := NewReceive(ReceiveConfig{Packets: 16, BackOff: 10 * time.Millisecond, NCFWait: 20 * time.Millisecond,
		DataWait: 30 * time.Millisecond, NCFRetries: 1, DataRetries: 1, Seed: 1})
	w.SPM(0, &packet.Packet{Type: packet.SPM, Trail: 5, Lead: 4})
	w.Data(0, data(5, 5), []byte("a"))
	w.Data(0, data(7, 5), []byte("c"))
	if d := w.Deadline(); d <= 0 || d > 10*ms {
		t.Fatalf("back-off ends at %v", d)
	}
	if a := asked(w, 10*ms); len(a) != 1 || a[0] != 6 {
		t.Fatalf("asked for %v, want 6", a)
	}
	if d := w.Deadline(); d != 30*ms {
		t.Errorf("NCF awaited until %v", d)
	}
	if a := asked(w, 30*ms); len(a) != 0 {
		t.Errorf("asked %v without a new back-off", a)
	}
	w.NCF(35*ms, 6)
	if d := w.Deadline(); d != 65*ms {
		t.Errorf("RDATA awaited until %v", d)
	}
	asked(w, 65*ms)
	asked(w, 75*ms) // the second NAK
	w.NCF(76*ms, 6)
	if w.Pull().Kind != Message || w.Pull().Kind != Nothing {
		t.Fatal("only 5 is ready")
	}
	asked(w, 76*ms+60*ms) // 30 ms doubled: the last try is over
	h := w.Pull()
	if h.Kind != Hole || h.Loss != (Loss{First: 6, Last: 6, GaveUp: 1}) {
		t.Errorf("got %+v, want the hole 6", h)
	}
	if m := w.Pull(); m.Kind != Message || string(m.Message) != "c" {
		t.Errorf("got %+v, want 7", m)
	}
}

// TestVerdicts names what becomes of packets that can't be taken.
func TestVerdicts(t *testing.T) {
	fragment := func(seq packet.Seq, f packet.Fragment) *packet.Packet {
		p := data(seq, 100)
		p.Options.With(packet.OptFragment).Fragment = f
		return p
	}
	for _, c := range []struct {
		name string
		p    *packet.Packet
		want Verdict
	}{
		{"next", data(101, 100), Kept},
		{"again", data(100, 100), Duplicate},
		{"handed on", data(99, 90), Old},
		{"no room", data(100+4*16, 100), Beyond},
		{"leaps", data(100+1<<24+1, 100+1<<24), Far},
		{"trail after number", data(105, 106), BadTrail},
		{"trail of an impossible window", data(105, 0xFFF00069), BadTrail},
		{"fragment beyond its message", fragment(102, packet.Fragment{First: 101, Offset: 10, Length: 12}), BadFragment},
		{"fragment offset overflows", fragment(102, packet.Fragment{First: 101, Offset: 0xFFFFFFFF, Length: 0xFFFFFFFF}), BadFragment},
		{"fragment of a later message", fragment(102, packet.Fragment{First: 103, Offset: 3, Length: 12}), BadFragment},
		{"fragment of nothing", fragment(102, packet.Fragment{First: 102}), BadFragment},
		{"first fragment with an offset", fragment(102, packet.Fragment{First: 102, Offset: 3, Length: 12}), BadFragment},
	} {
		w := NewReceive(ReceiveConfig{Packets: 16})
		w.Data(0, data(100, 100), []byte("abc"))
		if got := w.Data(0, c.p, []byte("abc")); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	w := NewReceive(ReceiveConfig{Packets: 16})
	spm := func(seq, trail, lead packet.Seq) Verdict {
		return w.SPM(0, &packet.Packet{Type: packet.SPM, Seq: seq, Trail: trail, Lead: lead})
	}
	for i, got := range []Verdict{spm(5, 10, 20), spm(5, 10, 20), spm(4, 10, 20), spm(6, 22, 20), spm(7, 10, 10+1<<21)} {
		if want := []Verdict{Kept, Stale, Stale, BadTrail, BadTrail}[i]; got != want {
			t.Errorf("SPM %d: %v, want %v", i, got, want)
		}
	}
}

// TestFarSessionIsBelievedInTheEnd lets a session leap for good: one hole of
// exact size, without walking it.
func TestFarSessionIsBelievedInTheEnd(t *testing.T) {
	w := NewReceive(ReceiveConfig{Packets: 16})
	w.Data(0, data(0, 0), []byte("a"))
	const leap = 1 << 30
	for i := range packet.Seq(farRun) {
		want := Far
		if i == farRun-1 {
			want = Beyond // believed, but the window must first hand on what it has
		}
		if got := w.Data(0, data(leap+i, leap+i), []byte("b")); got != want {
			t.Fatalf("packet %d: %v, want %v", i, got, want)
		}
	}
	if w.Pull().Kind != Message || w.Pull().Kind != Nothing {
		t.Fatal("the first message, then nothing yet")
	}
	w.Data(0, data(leap+farRun-1, leap+farRun-1), []byte("b"))
	if h := w.Pull(); h.Loss != (Loss{First: 1, Last: leap + farRun - 2, Passed: leap + farRun - 2}) {
		t.Errorf("hole %+v", h)
	}
	if m := w.Pull(); string(m.Message) != "b" {
		t.Errorf("got %+v", m)
	}
}

// TestOneListPerNAK asks for more numbers than a NAK holds.
func TestOneListPerNAK(t *testing.T) {
	w := NewReceive(ReceiveConfig{Packets: 200})
	w.SPM(0, &packet.Packet{Type: packet.SPM, Trail: 0, Lead: 0xFFFFFFFF})
	w.Data(0, data(100, 0), []byte("a"))
	for _, want := range []int{63, 37, 0} {
		if a := asked(w, 0); len(a) != want {
			t.Fatalf("asked for %d numbers, want %d", len(a), want)
		}
	}
}

// TestNoSPMNoNAK gives up a number whose source never says where it is.
func TestNoSPMNoNAK(t *testing.T) {
	w := NewReceive(ReceiveConfig{Packets: 16, NCFRetries: 3})
	w.Data(0, data(0, 0), []byte("a"))
	w.Data(0, data(2, 0), []byte("c"))
	w.Pull()
	for now := Instant(0); now < 1000*ms; now += ms {
		if a := asked(w, now); len(a) > 0 {
			t.Fatalf("asked for %v without an address", a)
		}
	}
	if h := w.Pull(); h.Kind != Hole || h.Loss.GaveUp != 1 {
		t.Errorf("got %+v", h)
	}
}

// TestAbandon ends a session whose source is gone, with one hole.
func TestAbandon(t *testing.T) {
	w := NewReceive(ReceiveConfig{Packets: 4})
	w.Data(0, data(0, 0), []byte("a"))
	w.Data(0, data(2, 0), []byte("c"))
	w.Data(0, data(100, 0), []byte("z"))
	w.Abandon()
	var got []Item
	for i := w.Pull(); i.Kind != Nothing; i = w.Pull() {
		got = append(got, i)
	}
	if len(got) != 5 || string(got[2].Message) != "c" || got[1].Loss != (Loss{First: 1, Last: 1, GaveUp: 1}) ||
		got[3].Loss != (Loss{First: 3, Last: 100, GaveUp: 98}) || !got[4].End.Silent {
		t.Errorf("got %+v", got)
	}
}
