package node

import (
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/token"
)

const ms = time.Millisecond

// pair is two nodes on a perfect network, where a message takes no time.
type pair struct {
	t      *testing.T
	now    clock.Instant
	nodes  map[uint8]*Machine
	sender map[uint8]*heartbeat.Sender
	deaf   uint8 // node to which nothing comes through
	stuck  bool  // the hands take nothing down
	drop   func(*heartbeat.Message)
	got    map[uint8][]Action // since the last call of take
}

func spec(name string) token.Spec {
	return token.Spec{Name: name, ID: token.ID(name), Members: []token.Member{{Slot: 1, Priority: 200}, {Slot: 2, Priority: 100, Place: 1}}}
}

// newPair returns two nodes of which the first one holds vip:front.
func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, now: clock.Instant(time.Hour), nodes: map[uint8]*Machine{}, sender: map[uint8]*heartbeat.Sender{}, got: map[uint8][]Action{}}
	for slot := uint8(1); slot <= 2; slot++ {
		c := Config{Self: slot, Session: uint64(slot) * 11, Peers: []uint8{3 - slot}, Digest: 1, Build: "test", Config: token.Config{
			Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms, StartWait: time.Second, Tokens: []token.Spec{spec("vip:front")}}}
		p.nodes[slot] = New(c, p.now)
		p.sender[slot] = heartbeat.NewSender(heartbeat.Config{Peers: c.Peers, Interval: c.Interval, Dead: c.Dead}, p.now)
	}
	for slot := uint8(1); slot <= 2; slot++ {
		p.step(slot, token.EpochsReserved{HighWater: 1000, OK: true})
	}
	p.run(100 * ms)
	if p.nodes[1].Tokens().Phase(0) != token.Holding || p.nodes[2].Tokens().Phase(0) != token.Idle {
		t.Fatal("the first node doesn't hold")
	}
	clear(p.got)
	return p
}

// step steps a node, does what it asks for, and delivers what it says.
func (p *pair) step(slot uint8, ev Event) {
	actions := append([]Action(nil), p.nodes[slot].Step(p.now, ev)...)
	p.got[slot] = append(p.got[slot], actions...)
	for _, a := range actions {
		switch a := a.(type) {
		case *Payload:
			p.sender[slot].SetPayload(a.Payload)
		case heartbeat.Send:
			p.say(slot, a.Kind)
		case token.Acquire:
			if !p.nodes[slot].Tokens().Spec(a.Token).StopBeforeRelease {
				p.step(slot, token.Up{Token: a.Token, Epoch: a.Epoch})
			}
		case token.Drop:
			if !p.nodes[slot].Tokens().Spec(a.Token).StopBeforeRelease && !p.stuck {
				p.step(slot, token.Down{Token: a.Token})
			}
		case services.Start:
			p.step(slot, services.Started{Group: a.Group, Unit: a.Unit, Order: a.Order})
		case services.Stop:
			if !p.stuck {
				p.step(slot, services.Stopped(a))
			}
		}
	}
}

func (p *pair) say(slot uint8, kind heartbeat.Kind) {
	m, _ := p.sender[slot].Compose(heartbeat.Send{Kind: kind}, 0, p.now, 0)
	if p.drop != nil {
		p.drop(&m)
	}
	if to := 3 - slot; to != p.deaf {
		p.now += 1000
		p.step(to, heartbeat.Received{From: slot, Session: uint64(slot) * 11, Arrived: p.now, Message: &m})
	}
}

// run lets both beat and wake up for a while.
func (p *pair) run(d time.Duration) {
	for end := p.now.Add(d); p.now < end; p.now = p.now.Add(10 * ms) {
		for slot := uint8(1); slot <= 2; slot++ {
			p.say(slot, heartbeat.Beat)
			p.step(slot, Tick{})
		}
	}
}

// count returns how many actions of the type the node has asked for.
func count[T any](p *pair, slot uint8) (n int, last T) {
	for _, a := range p.got[slot] {
		if x, is := a.(T); is {
			n, last = n+1, x
		}
	}
	return n, last
}

func TestMoveHereAndForwarded(t *testing.T) {
	for _, at := range []uint8{1, 2} {
		p := newPair(t)
		p.step(at, Command{ID: 7, Verb: Move, Token: 0, Node: 2})
		p.run(200 * ms)
		if n, r := count[Reply](p, at); n != 1 || r != (Reply{ID: 7}) || p.nodes[2].Tokens().Phase(0) != token.Holding {
			t.Errorf("ordered at %d: %d replies, %+v, phase %v", at, n, r, p.nodes[2].Tokens().Phase(0))
		}
	}
}

// An order is repeated until its receipt comes, and executed once.
func TestOrderOnceThoughReceiptsAreLost(t *testing.T) {
	p := newPair(t)
	lost := 0
	p.drop = func(m *heartbeat.Message) {
		if len(m.Receipts) > 0 && lost < 5 {
			m.Receipts, lost = nil, lost+1
		}
	}
	p.step(2, Command{ID: 7, Verb: Suspend, Node: 1})
	p.run(300 * ms)
	kept, _ := count[KeepSuspended](p, 1)
	replies, r := count[Reply](p, 2)
	if lost != 5 || kept != 1 || replies != 1 || r != (Reply{ID: 7}) {
		t.Errorf("%d receipts lost, executed %d times, %d replies %+v", lost, kept, replies, r)
	}
}

func TestUnknownToken(t *testing.T) {
	p := newPair(t)
	p.step(2, Reload{Tokens: []token.Spec{spec("vip:front"), spec("vip:side")}, Digest: 2})
	p.run(100 * ms)
	p.drop = func(m *heartbeat.Message) {
		for i := range m.Orders {
			m.Orders[i].Token++ // as if the holder's file didn't have it
		}
	}
	p.step(2, Command{ID: 8, Verb: Move, Token: 0, Node: 2})
	p.run(100 * ms)
	if n, r := count[Reply](p, 2); n != 1 || r.Why != token.NotHeld {
		t.Errorf("%d replies, %+v", n, r)
	}
}

func TestOrderToTheDeafRunsOutOfTime(t *testing.T) {
	p := newPair(t)
	p.drop = func(m *heartbeat.Message) { m.Orders = nil }
	p.step(2, Command{ID: 9, Verb: Suspend, Node: 1})
	p.run(commandLimit + 100*ms)
	if n, r := count[Reply](p, 2); n != 1 || !r.Late {
		t.Errorf("%d replies, %+v", n, r)
	}
}

func TestNoMoreCommandsThanTheLimit(t *testing.T) {
	p := newPair(t)
	p.drop = func(m *heartbeat.Message) { m.Orders = nil }
	for id := range uint64(maxCommands + 1) {
		p.step(2, Command{ID: id, Verb: Suspend, Node: 1})
	}
	if n, r := count[Reply](p, 2); n != 1 || r.ID != maxCommands || r.Why != token.UnderWay {
		t.Errorf("%d replies, %+v", n, r)
	}
}

func TestReloadDropsAndDiffers(t *testing.T) {
	p := newPair(t)
	p.step(1, Reload{Digest: 2})
	p.run(100 * ms)
	if n, d := count[token.Drop](p, 1); n != 1 || d.Cause != token.Reconfigured {
		t.Errorf("%d drops, %+v", n, d)
	}
	if n, note := count[PeerEvent](p, 2); n != 1 || note != (PeerEvent{Peer: 1, Kind: ConfigDiffers}) {
		t.Errorf("%d notes, %+v", n, note)
	}
	if p.nodes[2].Tokens().Phase(0) != token.Holding {
		t.Error("the node that still has the token doesn't take it")
	}
}

// A restart is announced, and goes on when the peer knows, or after its limit.
// A peer that can't be heard may take: what is held alone must end as it would.
func TestRestart(t *testing.T) {
	for _, deaf := range []uint8{0, 1, 2} {
		p := newPair(t)
		p.deaf = deaf
		begin := p.now
		p.step(1, Restart{})
		for {
			if n, _ := count[Reexec](p, 1); n > 0 || p.now > begin.Add(2*time.Second) {
				break
			}
			p.run(10 * ms)
		}
		took := p.now.Sub(begin)
		if _, r := count[Reexec](p, 1); r.Awaited != (deaf != 1) {
			t.Errorf("deaf %d: awaited %v while %v", deaf, r.Awaited, p.nodes[1].Tokens().Phase(0))
		}
		if deaf == 0 && (took > 50*ms || p.nodes[2].Beats().Peer(1).State != heartbeat.Restarting) {
			t.Errorf("the peer knew after %v", took)
		}
		if p.nodes[1].State() != heartbeat.Restarting || took > restartLimit+50*ms {
			t.Errorf("deaf %d: re-executed after %v in state %v", deaf, took, p.nodes[1].State())
		}
	}
}

func TestStop(t *testing.T) {
	p := newPair(t)
	p.step(1, Stop{})
	p.run(100 * ms)
	if n, _ := count[Exit](p, 1); n != 1 || !p.nodes[1].Tokens().Idle() || p.nodes[2].Tokens().Phase(0) != token.Holding {
		t.Errorf("%d exits, the other is %v", n, p.nodes[2].Tokens().Phase(0))
	}
}

// A peer whose clock is certainly more than a second off is noted.
func TestClock(t *testing.T) {
	p := newPair(t)
	m := p.nodes[1].Beats().Peer(2)
	for i := range 3 {
		m.Clock.Add(p.now.Add(time.Duration(i)), clock.Exchange{Sent: 0, Received: 2e9, Answered: 2e9, Back: 1000})
	}
	p.run(20 * ms)
	if _, note := count[PeerEvent](p, 1); note != (PeerEvent{Peer: 2, Kind: ClockBeyond}) {
		t.Errorf("noted %+v", note)
	}
}

// A node tells its peers its hardware addresses, and in its claims the priority that it
// applies for itself.
func TestWhatIsToldOfTheHost(t *testing.T) {
	p := newPair(t)
	mac := heartbeat.MAC{Kind: heartbeat.ClientMAC, Index: 1, Address: [6]byte{2, 0, 0, 0, 0, 7}}
	p.step(1, Local{MACs: []heartbeat.MAC{mac}})
	priority := int32(0)
	p.drop = func(m *heartbeat.Message) {
		for _, c := range m.Claims {
			priority = max(priority, c.Priority)
		}
	}
	p.run(60 * ms)
	if got, ok := p.nodes[2].Beats().Peer(1).MAC(mac.Kind, mac.Index); !ok || got != mac.Address {
		t.Errorf("the peer knows %x (%v)", got, ok)
	}
	if _, ok := p.nodes[2].Beats().Peer(1).MAC(heartbeat.PathMAC, mac.Index); ok {
		t.Error("the peer knows an address that it was not told")
	}
	if priority != 200 {
		t.Errorf("the greatest priority that was told is %d", priority)
	}
}
