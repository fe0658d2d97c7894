package main

import (
	"fmt"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
	"vipd/vipd/node"
)

// What a daemon does for every datagram, without sockets and cipher: run with
//
//	go test -bench . ./testlab/bench ./seal ./multicast

func BenchmarkMessageAppend(b *testing.B) {
	for _, claims := range []int{1, 20} {
		b.Run(fmt.Sprintf("claims=%d", claims), func(b *testing.B) {
			m, buffer := message(claims), make([]byte, 0, heartbeat.MaxSize)
			b.ReportAllocs()
			for b.Loop() {
				buffer = m.Append(buffer[:0])
			}
			b.ReportMetric(float64(len(buffer)), "B/message")
		})
	}
}

func BenchmarkMessageParse(b *testing.B) {
	for _, claims := range []int{1, 20} {
		b.Run(fmt.Sprintf("claims=%d", claims), func(b *testing.B) {
			text := message(claims).Append(nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := heartbeat.Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func message(claims int) *heartbeat.Message {
	m := &heartbeat.Message{
		Kind: heartbeat.Beat, State: heartbeat.Up, Dead: 150 * time.Millisecond, Seq: 1000, Sent: 1e9, Wall: 1e18,
		Build: "1.0.0", Echoes: []heartbeat.PeerEcho{{Slot: 2, Paths: 3, Session: 7, Revision: 4, Sent: 1e9, At: 1e18}},
		Revision: 4, Pages: 1,
	}
	for i := range claims {
		m.Claims = append(m.Claims, heartbeat.Claim{Token: uint64(i + 1), Phase: uint8(token.Holding), Epoch: 257, Seen: 257, Since: 1e8})
	}
	return m
}

// One beat of each of two nodes, heard and answered by the other.
func BenchmarkNodeBeat(b *testing.B) {
	for _, tokens := range []int{1, 20} {
		b.Run(fmt.Sprintf("tokens=%d", tokens), func(b *testing.B) {
			two := newTwo(tokens)
			for range 100 {
				two.beat()
			}
			if held := two.ends[0].held; held != tokens {
				b.Fatalf("%d of %d tokens are held", held, tokens)
			}
			b.ReportAllocs()
			for b.Loop() {
				two.beat()
			}
		})
	}
}

// A peer's beat that brings nothing new, to the machine of a thousand tokens.
func BenchmarkTokenStep1000(b *testing.B) {
	c := tokenConfig(1, token.MaxTokens)
	now := clock.Instant(time.Second)
	m := token.New(c, now)
	claims := make([]token.Claim, token.MaxTokens)
	for i := range claims {
		claims[i] = token.Claim{Phase: token.Holding, Epoch: 258, Seen: 258, Tenure: time.Minute}
	}
	w := token.Report{Peer: 2, Dead: c.Dead, NewSession: true, Fresh: true, Complete: true, Changed: true, Claims: claims}
	m.Step(now, w)
	w = token.Report{Peer: 2, Dead: c.Dead, Fresh: true, Complete: true}
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(c.Interval)
		w.Echoed, w.AckedRevision = now, m.Revision()
		m.Step(now, w)
	}
}

func tokenConfig(self uint8, tokens int) token.Config {
	c := token.Config{
		Self: self, Interval: 50 * time.Millisecond, Dead: 150 * time.Millisecond, Lease: 120 * time.Millisecond,
		StartWait: time.Second, HighWater: 1,
	}
	for i := range tokens {
		name := fmt.Sprintf("vip:%d", i)
		c.Tokens = append(c.Tokens, token.Spec{Name: name, ID: token.ID(name), Bits: token.AutoFailback,
			Members: []token.Member{{Slot: 1, Priority: 200}, {Slot: 2, Priority: 100, Place: 1}}})
	}
	return c
}

// two is a pair of minds that hear each other at once.
type two struct {
	now     clock.Instant
	ends    [2]*end
	waiting []told
	busy    bool // a step is under way; what it says waits
}

// told is an event for one of the two.
type told struct {
	to int
	ev node.Event
}

type end struct {
	slot   uint8
	mind   *node.Machine
	sender *heartbeat.Sender
	held   int // tokens that the hands have up
}

func newTwo(tokens int) *two {
	t := &two{now: clock.Instant(time.Second)}
	for i := range t.ends {
		self, peer := uint8(i+1), uint8(2-i)
		c := node.Config{Self: self, Session: uint64(self), Peers: []uint8{peer}, Config: tokenConfig(self, tokens)}
		t.ends[i] = &end{slot: self, mind: node.New(c, t.now), sender: heartbeat.NewSender(heartbeat.Config{
			Self: self, Session: uint64(self), Peers: []uint8{peer}, Interval: c.Interval, Dead: c.Dead, Lease: c.Lease,
		}, t.now)}
	}
	for i := range t.ends {
		t.step(i, token.NetworkForwarding{})
	}
	return t
}

// beat lets an interval pass and each of both beat once.
func (t *two) beat() {
	t.now = t.now.Add(50 * time.Millisecond)
	for i := range t.ends {
		t.say(i, heartbeat.Send{Kind: heartbeat.Beat})
	}
}

// say has the other one hear a message.
func (t *two) say(from int, s heartbeat.Send) {
	t.now = t.now.Add(10 * time.Microsecond)
	e := t.ends[from]
	for page, more := 0, true; more; page++ {
		var m heartbeat.Message
		m, more = e.sender.Compose(s, page, t.now, clock.Wall(t.now))
		t.step(1-from, heartbeat.Received{From: e.slot, Session: uint64(e.slot), Arrived: t.now, Wall: clock.Wall(t.now), Message: &m})
	}
}

// step tells one of them what happened, and whoever hears of it what follows.
func (t *two) step(i int, ev node.Event) {
	t.waiting = append(t.waiting, told{i, ev})
	for !t.busy && len(t.waiting) > 0 {
		next := t.waiting[0]
		t.waiting = append(t.waiting[:0], t.waiting[1:]...)
		t.busy = true
		for _, a := range t.ends[next.to].mind.Step(t.now, next.ev) {
			t.do(next.to, a)
		}
		t.busy = false
	}
}

// do does what one of them wants, as hands and disk that never fail.
func (t *two) do(i int, a node.Action) {
	e := t.ends[i]
	switch a := a.(type) {
	case *node.Payload:
		e.sender.SetPayload(a.Payload)
	case heartbeat.Send:
		t.say(i, a)
	case token.Acquire:
		e.held++
		t.step(i, token.Up{Token: a.Token, Epoch: a.Epoch})
	case token.Drop:
		e.held--
		t.step(i, token.Down{Token: a.Token})
	case token.ReserveEpochs:
		t.step(i, token.EpochsReserved{HighWater: a.HighWater, OK: true})
	}
}
