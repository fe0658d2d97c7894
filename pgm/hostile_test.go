package pgm

import (
	"context"
	"net/netip"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// intruder puts any octets on a bus, and counts what comes back.
type intruder struct {
	t    *testing.T
	link Link
	seen map[packet.Type]int
}

func newIntruder(t *testing.T, bus *Bus) *intruder {
	i := &intruder{t: t, link: bus.Link(addrC, group), seen: map[packet.Type]int{}}
	go func() {
		batch := make([]multicast.Datagram, 64)
		var p packet.Packet
		for {
			n, err := i.link.Inputs()[0].Read(batch)
			if err != nil {
				return
			}
			for _, d := range batch[:n] {
				if p.Parse(d.Data) == nil {
					i.seen[p.Type]++
				}
			}
		}
	}()
	t.Cleanup(func() { i.link.Close() })
	return i
}

// send sends octets to the group, or to one host.
func (i *intruder) send(b []byte, to netip.Addr) {
	if _, err := i.link.Write([]multicast.Datagram{{Data: b, Addr: netip.AddrPortFrom(to, 0)}}); err != nil {
		i.t.Fatal(err)
	}
}

// nak asks s for numbers.
func (i *intruder) nak(s *Sender, source, group netip.Addr, numbers ...packet.Seq) {
	p := packet.Packet{Type: packet.NAK, SourcePort: s.o.Port, DestPort: s.tsi.Port, GSI: s.tsi.GSI, Seq: numbers[0], Source: source, Group: group}
	if len(numbers) > 1 {
		p.Options.With(packet.OptNAKList).NAKList = numbers[1:]
	}
	i.send(p.Append(nil), addrA)
}

// data makes an ODATA of a session of the intruder's.
func forged(seq, trail packet.Seq, o packet.Options) []byte {
	p := packet.Packet{Type: packet.ODATA, SourcePort: 9, DestPort: DefaultPort, GSI: packet.GSI{6}, Seq: seq, Trail: trail, Payload: []byte("abc"), Options: o}
	return p.Append(nil)
}

// TestHostileToReceiver counts each kind of nonsense by its reason, keeps
// memory bounded and answers nothing but what the RFC asks.
func TestHostileToReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{Window: window.ReceiveConfig{Packets: 128}, MaxSources: 8})
		x := newIntruder(t, bus)
		good := forged(100, 100, packet.Options{})
		x.send(good, netip.Addr{})
		bad := map[string][]byte{}
		put := func(reason string, b []byte) { bad[reason] = b }
		put("packet too short", []byte{})
		put("bad checksum", append(append([]byte(nil), good[:len(good)-1]...), 'x'))
		noSum := append([]byte(nil), good...)
		noSum[6], noSum[7] = 0, 0
		put("data without checksum", noSum)
		loop := []byte{0, 9, 0x1d, 0x4c, 4, 1, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 101, 0, 0, 0, 100, 0, 4, 0, 8, 14, 0, 0, 0}
		packet.Seal(loop) // an option of length 0
		put("bad option", loop)
		cut := append([]byte(nil), loop[:28]...)
		packet.Seal(cut) // OPT_LENGTH beyond the packet
		put("option overrun", cut)
		fragment := packet.Options{Fragment: packet.Fragment{First: 101, Offset: 90, Length: 91}}
		put("bad fragment", forged(102, 100, *fragment.With(packet.OptFragment)))
		put("far outside the window", forged(100+1<<25, 100+1<<25, packet.Options{}))
		put("bad trail", forged(103, 104, packet.Options{}))
		put("beyond the window", forged(100+2000, 100, packet.Options{}))
		for _, b := range bad {
			x.send(b, netip.Addr{})
		}
		for i := range 200 { // sources without end
			p := packet.Packet{Type: packet.SPM, SourcePort: uint16(i), DestPort: DefaultPort, GSI: packet.GSI{7}, Path: addrC, Lead: 0xFFFFFFFF}
			x.send(p.Append(nil), netip.Addr{})
		}
		storm := packet.Packet{Type: packet.SPM, SourcePort: 9, DestPort: DefaultPort, GSI: packet.GSI{6}, Seq: 5, Path: addrC, Trail: 100, Lead: 100}
		for range 2000 { // the same SPM again and again
			x.send(storm.Append(nil), netip.Addr{})
			synctest.Wait()
		}
		dropped := r.Stats().Dropped()
		for reason := range bad {
			if dropped[reason] == 0 {
				t.Errorf("%q was not counted: %v", reason, dropped)
			}
		}
		if dropped["stale SPM"] < 1900 || r.Stats().Evicted < 190 || r.Stats().Sources > 8 {
			t.Errorf("storms: %v, %d sources", dropped, r.Stats().Sources)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if m, err := r.Next(ctx); err != nil || string(m.Data) != "abc" {
			t.Errorf("the good packet: %q, %v", m.Data, err)
		}
		for i := packet.Type(0); i < 16; i++ {
			if n := x.seen[i]; n > 0 && i != packet.NAK && i != packet.SPMR {
				t.Errorf("answered with %d of %v", n, i)
			}
		}
	})
}

// TestHostileToSender asks for what no receiver may ask for.
func TestHostileToSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{Window: 100, RepairRate: 10})
		for i := range 50 {
			s.Send(t.Context(), numbered(i, 100))
		}
		time.Sleep(10 * time.Millisecond)
		x := newIntruder(t, bus)
		x.nak(s, addrB, group, 1)                                // another source's address
		x.nak(s, addrA, netip.MustParseAddr("239.1.1.1"), 1)     // another group
		x.nak(s, addrA, group, 50, 1<<31, 0xFFFFFFFF)            // numbers never sent
		x.send([]byte("not pgm at all, but long enough"), addrA) // noise
		synctest.Wait()
		st := s.Stats()
		if st.ForeignNAKs != 2 || st.OutsideNAKs != 3 || x.seen[packet.NCF] != 0 || x.seen[packet.RDATA] != 0 {
			t.Errorf("answered: %+v, %v", st, x.seen)
		}
		for range 500 { // a crying receiver
			x.nak(s, addrA, group, 1, 2, 3, 4, 5)
			time.Sleep(2 * time.Millisecond)
		}
		st = s.Stats()
		if st.Repairs > 100+10*2 || st.CappedNAKs == 0 {
			t.Errorf("a crying receiver got %d repairs: %+v", st.Repairs, st)
		}
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
		time.Sleep(2 * time.Second)
		bus.SetLoss(0.5)
		go func() {
			for i := 50; i < 90; i++ {
				s.Send(t.Context(), numbered(i, 100))
				time.Sleep(time.Millisecond)
			}
			bus.SetLoss(0)
			s.Close(context.Background())
		}()
		if err := expect(t.Context(), r, 50, 89, 100); err != nil {
			t.Errorf("the other receiver is harmed: %v", err)
		}
	})
}

// TestSPMRStorm asks a quiet sender for an SPM 500 times within 50 ms: it
// answers at most each 10 ms, beside the SPMs it sends anyway.
func TestSPMRStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		s := newSender(t, bus.Link(addrA, group), SenderOptions{})
		time.Sleep(1500 * time.Millisecond) // between two ambient SPMs
		x := newIntruder(t, bus)
		p := packet.Packet{Type: packet.SPMR, SourcePort: s.o.Port, DestPort: s.tsi.Port, GSI: s.tsi.GSI}
		for range 500 {
			x.send(p.Append(nil), addrA)
			time.Sleep(100 * time.Microsecond)
		}
		synctest.Wait()
		if n := x.seen[packet.SPM]; n < 4 || n > 6 || s.Stats().SPMRs != 500 {
			t.Errorf("%d SPMs for %d SPMRs in 50 ms, want about 5", n, s.Stats().SPMRs)
		}
	})
}

// TestNoGoroutineIsLeft counts them before and after.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	bus := NewBus(BusOptions{})
	r, err := NewReceiver(bus.Link(addrB, group), ReceiverOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSender(bus.Link(addrA, group), SenderOptions{Linger: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	s.Send(t.Context(), []byte("hello"))
	s.Close(context.Background())
	r.Close()
	for limit := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
		}
	}
}

// FuzzFlow keeps flow control from taking anything but its own messages.
func FuzzFlow(f *testing.F) {
	f.Add(flowMessage{kind: kindReport, tsi: packet.TSI{GSI: packet.GSI{1, 2, 3}, Port: 4}, a: 5, b: 6, lost: 7}.append(nil))
	f.Add(flowMessage{kind: kindPoll, left: true}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := parseFlow(b); ok {
			again, ok := parseFlow(m.append(nil))
			if !ok || again != m {
				t.Errorf("%x: %+v, then %+v", b, m, again)
			}
		}
	})
}

// FuzzUnpack keeps packed messages within their packet.
func FuzzUnpack(f *testing.F) {
	f.Add(appendPacked(appendPacked(nil, []byte("one")), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		total := 0
		for len(b) > 0 {
			m, rest, ok := unpack(b)
			if !ok {
				return
			}
			if total += len(m); len(m)+len(rest)+packPrefix != len(b) {
				t.Fatalf("%d octets became %d and %d", len(b), len(m), len(rest))
			}
			b = rest
		}
	})
}
