package rig_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"vipd/testlab/rig"
)

// wire is a pair of sockets by which one host sends datagrams to another.
type wire struct {
	t        *testing.T
	sender   *net.UDPConn
	receiver *net.UDPConn
	to       netip.AddrPort
}

func lay(t *testing.T, from, to *rig.Port, source, target netip.Prefix) *wire {
	t.Helper()
	w := &wire{t: t, to: netip.AddrPortFrom(target.Addr(), 7000)}
	var err error
	if w.receiver, err = listen(to.Host(), w.to); err != nil {
		t.Fatal(err)
	}
	if w.sender, err = listen(from.Host(), netip.AddrPortFrom(source.Addr(), 0)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.sender.Close(); w.receiver.Close() })
	w.warm()
	return w
}

// warm sends until something arrives, so that neither end has to resolve addresses
// later, and empties the receiver.
func (w *wire) warm() {
	w.t.Helper()
	for range 100 {
		if w.send(1, 50*time.Millisecond) > 0 {
			return
		}
	}
	w.t.Fatal("nothing ever arrives")
}

// send sends count datagrams and returns how many came within the silence that follows
// the last one.
func (w *wire) send(count int, silence time.Duration) (received int) {
	w.t.Helper()
	const burst = 32 // far below what the receiver's buffer holds
	for i := range count {
		if _, err := w.sender.WriteToUDPAddrPort([]byte("datagram"), w.to); err != nil {
			w.t.Fatal(err)
		}
		if i%burst == burst-1 {
			received += w.drain(time.Millisecond)
		}
	}
	return received + w.drain(silence)
}

func (w *wire) drain(silence time.Duration) (received int) {
	buffer := make([]byte, 8)
	for {
		w.receiver.SetReadDeadline(time.Now().Add(silence))
		if _, _, err := w.receiver.ReadFromUDPAddrPort(buffer); err != nil {
			return received
		}
		received++
	}
}

// quiet is long enough for a frame to arrive if it does at all.
const quiet = 50 * time.Millisecond

func TestDropsAreOneWay(t *testing.T) {
	lab := rig.Start(t)
	sw, a, b := pair(lab)
	there := lay(t, a, b, addressA, addressB)
	back := lay(t, b, a, addressB, addressA)
	undo := sw.Drop(rig.Fault{From: a, To: b})
	if n := there.send(20, quiet); n != 0 {
		t.Errorf("%d of 20 got through the way that is cut", n)
	}
	if n := back.send(20, quiet); n != 20 {
		t.Errorf("%d of 20 arrived the other way", n)
	}
	undo()
	undo() // twice is no harm
	if n := there.send(20, quiet); n != 20 {
		t.Errorf("%d of 20 arrived after undoing", n)
	}
}

func TestDropsOfOneKindSpareOthers(t *testing.T) {
	tests := []struct {
		name string
		only rig.Traffic
		want int // of 20 datagrams to port 7000 by IPv4, both ends resolved
	}{
		{"that port", rig.UDP(7000), 0},
		{"another port", rig.UDP(7001), 20},
		{"ARP", rig.ARP(), 20},
		{"neighbour discovery", rig.Neighbor(), 20},
		{"everything", rig.Traffic{}, 0},
	}
	lab := rig.Start(t)
	sw, a, b := pair(lab)
	there := lay(t, a, b, addressA, addressB)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer sw.Drop(rig.Fault{From: a, To: b, Only: tt.only})()
			if n := there.send(20, quiet); n != tt.want {
				t.Errorf("%d of 20 arrived, want %d", n, tt.want)
			}
		})
	}
}

// With the kind that finds neighbours cut, hosts that never met can't.
func TestDropsOfResolution(t *testing.T) {
	tests := []struct {
		name           string
		only           rig.Traffic
		source, target netip.Prefix
	}{
		{"IPv4", rig.ARP(), addressA, addressB},
		{"IPv6", rig.Neighbor(), address6A, address6B},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := rig.Start(t)
			sw, a, b := pair(lab)
			sw.Drop(rig.Fault{To: b, Only: tt.only})
			receiver, err := listen(b.Host(), netip.AddrPortFrom(tt.target.Addr(), 7000))
			if err != nil {
				t.Fatal(err)
			}
			defer receiver.Close()
			sender, err := listen(a.Host(), netip.AddrPortFrom(tt.source.Addr(), 0))
			if err != nil {
				t.Fatal(err)
			}
			defer sender.Close()
			w := &wire{t: t, sender: sender, receiver: receiver, to: netip.AddrPortFrom(tt.target.Addr(), 7000)}
			if n := w.send(1, 2*quiet); n != 0 {
				t.Errorf("%d datagrams arrived at a host that can't be found", n)
			}
			lab.Heal()
			w.warm()
		})
	}
}

func TestLossAndDuplicationAreInProportion(t *testing.T) {
	const sent, perMille = 5000, 300
	const low, high = sent * 25 / 100, sent * 35 / 100 // seven deviations off and more
	lab := rig.Start(t)
	sw, a, b := pair(lab)
	there := lay(t, a, b, addressA, addressB)

	undo := sw.Drop(rig.Fault{From: a, To: b, PerMille: perMille})
	if lost := sent - there.send(sent, quiet); lost < low || lost > high {
		t.Errorf("%d of %d lost, want about %d in a thousand", lost, sent, perMille)
	}
	undo()
	sw.Duplicate(rig.Fault{From: a, To: b, PerMille: perMille})
	if extra := there.send(sent, quiet) - sent; extra < low || extra > high {
		t.Errorf("%d of %d twice, want about %d in a thousand", extra, sent, perMille)
	}
}

func TestCutPartsBothWaysAndHealMends(t *testing.T) {
	lab := rig.Start(t)
	_, a, b := pair(lab)
	there := lay(t, a, b, addressA, addressB)
	back := lay(t, b, a, addressB, addressA)
	a.Cut(b)
	if n := there.send(5, quiet) + back.send(5, quiet); n != 0 {
		t.Errorf("%d datagrams got through", n)
	}
	lab.Heal()
	if n := there.send(5, quiet) + back.send(5, quiet); n != 10 {
		t.Errorf("%d of 10 arrived after healing", n)
	}
}

// What one port sends to another is lost, and nothing of what it hears.
func TestCutToLosesOneDirection(t *testing.T) {
	lab := rig.Start(t)
	_, a, b := pair(lab)
	there := lay(t, a, b, addressA, addressB)
	back := lay(t, b, a, addressB, addressA)
	mend := a.CutTo(b)
	if n := there.send(5, quiet); n != 0 {
		t.Errorf("%d datagrams got through", n)
	}
	if n := back.send(5, quiet); n != 5 {
		t.Errorf("%d of 5 arrived the other way", n)
	}
	mend()
	if n := there.send(5, quiet); n != 5 {
		t.Errorf("%d of 5 arrived after mending", n)
	}
}
