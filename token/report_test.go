package token

import (
	"fmt"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// cluster is the machine of one node with many tokens, beside peers that are heard every
// interval and whose claims stay as they are.
type cluster struct {
	m     *Machine
	now   clock.Instant
	peers int
	turn  int
}

// newCluster returns a cluster of so many nodes. This node holds the token if its number
// is held(number), and else a peer does.
func newCluster(tb testing.TB, nodes, tokens int, held func(int) bool) *cluster {
	tb.Helper()
	c := config()
	for i := range tokens {
		s := Spec{Name: fmt.Sprint("vip:", i), Probeable: true, Network: 1}
		s.ID = ID(s.Name)
		for slot := range nodes {
			s.Members = append(s.Members, Member{Slot: uint8(slot + 1), Priority: 100, Place: slot})
		}
		c.Tokens = append(c.Tokens, s)
	}
	k := &cluster{m: New(c, at(0)), now: at(0), peers: nodes - 1}
	k.m.Step(k.now, EpochsReserved{HighWater: 1 << 20, OK: true})
	for range 3 * k.peers {
		w := k.next()
		w.Changed, w.Leased = true, true
		for i := range tokens {
			claim := Claim{Priority: 100}
			if !held(i) && i%k.peers == int(w.Peer)-2 {
				claim.Phase, claim.Epoch, claim.Seen, claim.Tenure = Holding, 1<<8|uint64(w.Peer), 1<<8|uint64(w.Peer), time.Second
			}
			w.Claims = append(w.Claims, claim)
		}
		k.m.Step(k.now, w)
	}
	for i := range tokens {
		k.m.Step(k.now, Up{Token: i, Epoch: k.m.tokens[i].epoch})
	}
	for range 3 * k.peers {
		k.hear()
	}
	for i := range tokens {
		if (k.m.Phase(i) == Holding) != held(i) {
			tb.Fatalf("token %d is %v: %v", i, k.m.Phase(i), k.m.Status(k.now, i).Reasons.Words())
		}
	}
	return k
}

// next is the word of the peer whose turn it is, which says nothing new.
func (k *cluster) next() Report {
	k.now = k.now.Add(50 * ms / time.Duration(k.peers))
	k.turn = (k.turn + 1) % k.peers
	return Report{Peer: uint8(k.turn + 2), Dead: 150 * ms, Echoed: k.now - 1000, Fresh: true, Unsolicited: true, Leased: true, AckedRevision: k.m.Revision(), Complete: true}
}

func (k *cluster) hear() []Action { return k.m.Step(k.now, k.next()) }

// clusters are those that a step is measured in.
var clusters = []struct {
	name          string
	nodes, tokens int
	held          func(int) bool
}{
	{"holder-of-1000-beside-1", 2, 1000, func(int) bool { return true }},
	{"standby-of-1000-beside-1", 2, 1000, func(int) bool { return false }},
	{"1000-beside-31", 32, 1000, func(i int) bool { return i%32 == 0 }},
}

// A word that brings no news.
func BenchmarkWord(b *testing.B) {
	for _, c := range clusters {
		b.Run(c.name, func(b *testing.B) {
			k := newCluster(b, c.nodes, c.tokens, c.held)
			b.ReportAllocs()
			for b.Loop() {
				k.hear()
			}
		})
	}
}

// A word that brings no news asks the rules of no token and allocates nothing, also
// where it renews a thousand leases.
func TestWordWithoutNews(t *testing.T) {
	for _, c := range clusters {
		k := newCluster(t, c.nodes, c.tokens, c.held)
		renewed := 0
		if n := testing.AllocsPerRun(200, func() {
			for _, a := range k.hear() {
				renewed += len(a.(*Leases).List)
			}
			if n := len(k.m.schedule.turn); n > 0 {
				t.Fatalf("%s: %d tokens were decided", c.name, n)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
		if held := c.held(0); (renewed > 0) != held {
			t.Errorf("%s: renewed %d leases", c.name, renewed)
		}
	}
}
