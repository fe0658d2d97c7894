package node

import (
	"fmt"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// cluster is one node with many tokens beside peers that beat every interval, and say
// nothing new.
type cluster struct {
	m     *Machine
	now   clock.Instant
	peers int
	turn  int
	seq   uint64
	list  [][]heartbeat.Claim // by peer
}

const clusterSession = 7

// newCluster returns a cluster of so many nodes. This node holds every token whose number
// a multiple of share; the peers hold the others.
func newCluster(tb testing.TB, nodes, tokens, share int) *cluster {
	tb.Helper()
	k := &cluster{now: clock.Instant(time.Hour), peers: nodes - 1, list: make([][]heartbeat.Claim, nodes-1)}
	c := Config{Self: 1, Session: clusterSession, Digest: 1, Leased: true, Config: token.Config{
		Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms, StartWait: time.Second}}
	for slot := 2; slot <= nodes; slot++ {
		c.Peers = append(c.Peers, uint8(slot))
	}
	for i := range tokens {
		s := token.Spec{Name: fmt.Sprint("vip:", i), Probeable: true, Network: 1}
		s.ID = token.ID(s.Name)
		for slot := range nodes {
			s.Members = append(s.Members, token.Member{Slot: uint8(slot + 1), Priority: 100, Place: slot})
		}
		c.Tokens = append(c.Tokens, s)
		for j := range k.list {
			claim := heartbeat.Claim{Token: s.ID, Priority: 100}
			if i%share != 0 && i%k.peers == j {
				claim.Phase, claim.Epoch, claim.Seen, claim.Since = uint8(token.Holding), 1<<8|uint64(j+2), 1<<8|uint64(j+2), 1
			}
			k.list[j] = append(k.list[j], claim)
		}
	}
	k.m = New(c, k.now)
	k.step(token.EpochsReserved{HighWater: 1 << 20, OK: true})
	for range 6 * k.peers {
		k.step(k.beat(true))
	}
	for i := range tokens {
		if held := k.m.tokens.Phase(i) == token.Holding; held != (i%share == 0) {
			tb.Fatalf("token %d is %v: %v", i, k.m.tokens.Phase(i), k.m.tokens.Status(k.now, i).Reasons.Words())
		}
	}
	return k
}

// step steps the node, and says that what it takes is up.
func (k *cluster) step(ev Event) {
	var up token.Batch
	for _, a := range k.m.Step(k.now, ev) {
		if a, ok := a.(token.Acquire); ok {
			up = append(up, token.Up{Token: a.Token, Epoch: a.Epoch})
		}
	}
	if len(up) > 0 {
		k.step(up)
	}
}

// beat is the next beat of the peer whose turn it is, with its claims or without.
func (k *cluster) beat(whole bool) Event {
	k.now = k.now.Add(50 * ms / time.Duration(k.peers))
	k.turn = (k.turn + 1) % k.peers
	k.seq++
	m := &heartbeat.Message{
		Kind: heartbeat.Beat, State: heartbeat.Up, Leased: true, Dead: 150 * ms, Interval: 50 * ms, Seq: k.seq, Sent: k.now, Wall: clock.Wall(k.now), Digest: 1, Revision: 1,
		Echoes: []heartbeat.PeerEcho{{Slot: 1, Paths: 1, Session: clusterSession, Revision: k.m.tokens.Revision(), Sent: k.now - 1000, At: clock.Wall(k.now)}},
	}
	if whole {
		m.Pages, m.Claims = 1, k.list[k.turn]
	}
	return heartbeat.Received{From: uint8(k.turn + 2), Session: uint64(k.turn + 100), Arrived: k.now, Wall: clock.Wall(k.now), Message: m}
}

// clusters are those that a step is measured in.
var clusters = []struct {
	name                 string
	nodes, tokens, share int
}{
	{"one-of-2", 2, 1, 1}, {"holder-of-1000-beside-1", 2, 1000, 1}, {"standby-of-1000-beside-1", 2, 1000, 1001}, {"1000-beside-31", 32, 1000, 32},
}

// A beat that brings no news, but for the echo that is owed to it, allocates nothing.
func TestBeatWithoutNews(t *testing.T) {
	for _, c := range clusters {
		k := newCluster(t, c.nodes, c.tokens, c.share)
		var beats []Event
		for range 201 {
			beats = append(beats, k.beat(false))
		}
		k.now = k.now.Add(-201 * 50 * ms / time.Duration(k.peers))
		edition, answers := k.m.tokens.Revision(), 0
		if n := testing.AllocsPerRun(200, func() {
			k.now = k.now.Add(50 * ms / time.Duration(k.peers))
			for _, a := range k.m.Step(k.now, beats[0]) {
				if s, ok := a.(heartbeat.Send); ok && s.Kind == heartbeat.Reply {
					answers++
				}
			}
			beats = beats[1:]
		}); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
		if answers != 201 || k.m.tokens.Revision() != edition {
			t.Errorf("%s: %d answers, edition %d after %d", c.name, answers, k.m.tokens.Revision(), edition)
		}
	}
}

// A beat that brings no news.
func BenchmarkWord(b *testing.B) {
	for _, c := range clusters {
		b.Run(c.name, func(b *testing.B) {
			k := newCluster(b, c.nodes, c.tokens, c.share)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				beat := k.beat(false)
				b.StartTimer()
				k.m.Step(k.now, beat)
			}
		})
	}
}
