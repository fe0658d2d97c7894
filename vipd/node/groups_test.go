package node

import (
	"reflect"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/services"
	"vipd/token"
)

// reload gives both nodes the tokens and the groups, one unit each.
func (p *pair) reload(tokens []string, groups ...string) {
	var r Reload
	for _, name := range tokens {
		r.Tokens = append(r.Tokens, spec(name))
	}
	for _, name := range groups {
		one := spec("group:" + name)
		one.StopBeforeRelease = true
		r.Tokens = append(r.Tokens, one)
		r.Services.Groups = append(r.Services.Groups, Group{Token: one.Name,
			Spec: services.Spec{Name: name, Units: []string{name}, StopTimeout: time.Second}})
	}
	for slot := uint8(1); slot <= 2; slot++ {
		p.step(slot, r)
	}
	p.run(200 * ms)
}

// phase is that of the token with the name on the node.
func (p *pair) phase(slot uint8, name string) token.Phase {
	return p.nodes[slot].Tokens().Phase(p.nodes[slot].numbers[token.ID(name)])
}

func TestGroupRunsUnderItsToken(t *testing.T) {
	p := newPair(t)
	p.reload([]string{"vip:front"}, "db")
	if !p.nodes[1].Groups().Ready(0) || p.phase(1, "group:db") != token.Holding {
		t.Fatalf("the group is %v, its token %v", p.nodes[1].Groups().Look(0).State, p.phase(1, "group:db"))
	}
	if n, _ := count[token.Announce](p, 1); n != 0 {
		t.Errorf("%d announcements of a group", n)
	}
	p.stuck = true
	p.step(1, Command{ID: 7, Verb: Halt, Token: 1, Node: 1})
	p.run(200 * ms)
	if n, _ := count[Reply](p, 1); n != 0 || p.phase(1, "group:db") != token.Dropping || p.phase(2, "group:db") != token.Idle {
		t.Errorf("%d replies, here %v, there %v, while a unit does not stop", n, p.phase(1, "group:db"), p.phase(2, "group:db"))
	}
}

// A group that was found running goes on only under its token.
func TestAdoptGroup(t *testing.T) {
	for _, held := range []bool{true, false} {
		db := spec("group:db")
		db.StopBeforeRelease = true
		now := clock.Instant(time.Hour)
		m := New(Config{Self: 1, Session: 11, Peers: []uint8{2},
			Config:   token.Config{Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms, StartWait: time.Second, Tokens: []token.Spec{db}},
			Services: Services{Groups: []Group{{Token: db.Name, Spec: services.Spec{Name: "db", Units: []string{"db"}}}}}}, now)
		if held {
			m.Step(now, token.Adopt{Token: 0, Epoch: 513, Expiry: now.Add(100 * ms)})
		}
		m.Step(now, services.Adopt{Group: 0, Epoch: 513, Running: []bool{true}})
		if state := m.Groups().Look(0).State; (state == services.Running) != held || (state == services.Stopping) == held {
			t.Errorf("token held %v: the group is %v", held, state)
		}
	}
}

// The number of a group's token that has gone is another's: what becomes of that
// one is no matter of the group.
func TestNumberOfAGroupThatIsGone(t *testing.T) {
	p := newPair(t)
	p.reload([]string{"vip:front"}, "db")
	p.reload([]string{"vip:front"})
	p.reload([]string{"vip:front", "vip:side"})
	if i := p.nodes[1].numbers[token.ID("vip:side")]; i != 1 || p.phase(1, "vip:side") != token.Holding {
		t.Fatalf("number %d, %v", i, p.phase(1, "vip:side"))
	}
	p.stuck = true
	p.step(1, Command{ID: 7, Verb: Suspend, Node: 1})
	p.run(100 * ms)
	if got := p.phase(1, "vip:side"); got != token.Dropping {
		t.Errorf("%v, though the hands have not removed it", got)
	}
}

// Both numbers of a group that has gone become another group's in one reload.
func TestGroupInPlaceOfAnother(t *testing.T) {
	p := newPair(t)
	p.reload(nil, "db")
	p.reload(nil, "web")
	p.run(200 * ms)
	if got := p.phase(1, "group:web"); got != token.Holding || p.nodes[1].Groups().Number("db") >= 0 {
		t.Errorf("%v", got)
	}
	for i := range p.nodes[1].Tokens().Tokens() {
		if s := p.nodes[1].Tokens().Spec(i); s.Members == nil && p.nodes[1].Tokens().Phase(i) != token.Idle {
			t.Errorf("%s is %v", s.Name, p.nodes[1].Tokens().Phase(i))
		}
	}
}

// A lease that a group keeps while it goes down is extended over a restart only if
// the peer knows, as any other.
func TestLeaseOnTheWayDownIsNotExtendedUnawaited(t *testing.T) {
	for _, deaf := range []uint8{0, 1} {
		p := newPair(t)
		p.reload(nil, "db")
		p.stuck = true
		p.step(1, Command{ID: 7, Verb: Halt, Token: p.nodes[1].numbers[token.ID("group:db")], Node: 1})
		p.run(100 * ms)
		p.deaf = deaf
		p.step(1, Restart{})
		p.run(restartLimit + 50*ms)
		if n, r := count[Reexec](p, 1); n != 1 || r.Awaited != (deaf == 0) || p.phase(1, "group:db") != token.Dropping {
			t.Errorf("deaf %d: %d, awaited %v, %v", deaf, n, r.Awaited, p.phase(1, "group:db"))
		}
	}
}

func TestTogether(t *testing.T) {
	for _, c := range []struct {
		name   string
		groups []Group
		want   map[string][]string
	}{
		{"one follows", []Group{{Token: "a", With: []string{"b"}}, {Token: "b"}}, map[string][]string{"a": {"b"}}},
		{"each other", []Group{{Token: "a", With: []string{"b"}}, {Token: "b", With: []string{"a"}}}, map[string][]string{"b": {"a"}}},
		{"in a circle", []Group{{Token: "a", With: []string{"b"}}, {Token: "b", With: []string{"c"}}, {Token: "c", With: []string{"a"}}},
			map[string][]string{"b": {"a"}, "c": {"a"}}},
		{"behind a circle", []Group{{Token: "a", With: []string{"b"}}, {Token: "b", With: []string{"c"}}, {Token: "c", With: []string{"b"}}},
			map[string][]string{"a": {"b"}, "c": {"b"}}},
		{"two of a circle", []Group{{Token: "a", With: []string{"b", "c"}}, {Token: "b", With: []string{"a", "c"}}, {Token: "c", With: []string{"a", "b"}}},
			map[string][]string{"b": {"a"}, "c": {"a"}}},
	} {
		if got := colocation(c.groups); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
