package services

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// find returns the actions of the type.
func find[T Action](list []Action) (found []T) {
	for _, a := range list {
		if x, is := a.(T); is {
			found = append(found, x)
		}
	}
	return found
}

// answer lets hands do everything at once, until nothing more is asked for. A
// start's outcome is told by starts.
func answer(m *Machine, now clock.Instant, actions []Action, starts func(Start) Event) (done []Action) {
	for pending := slices.Clone(actions); len(pending) > 0; {
		if len(done) > 1000 {
			panic("no end of it")
		}
		a := pending[0]
		pending, done = pending[1:], append(done, a)
		switch a := a.(type) {
		case Start:
			pending = append(pending, m.Step(now, starts(a))...)
		case Stop:
			pending = append(pending, m.Step(now, Stopped(a))...)
		}
	}
	return done
}

func works(a Start) Event { return Started{a.Group, a.Unit, a.Order} }
func fails(a Start) Event { return StartFailed{a.Group, a.Unit, a.Order, "no"} }

func TestOrder(t *testing.T) {
	group := func(name string, after ...string) Spec { return Spec{Name: name, Units: []string{"u"}, After: after} }
	many := func(n int) []string { return slices.Repeat([]string{"u"}, n) }
	for _, c := range []struct {
		specs []Spec
		want  string
	}{
		{nil, ""},
		{[]Spec{group("a", "b", "c"), group("b", "c"), group("c")}, ""},
		{[]Spec{group("a", "b"), group("b", "a")}, "after: a -> b -> a"},
		{[]Spec{group("a", "b"), group("b", "c"), group("c", "d"), group("d", "b")}, "after: b -> c -> d -> b"},
		{[]Spec{group("a", "a")}, "after: a -> a"},
		{[]Spec{group("a", "b")}, `after: a names "b", which is no group`},
		{[]Spec{group("a"), group("a")}, "group a is there twice"},
		{[]Spec{{Name: "a"}}, "group a: no units"},
		{[]Spec{{Name: "a", Units: many(MaxUnits)}}, ""},
		{[]Spec{{Name: "a", Units: many(MaxUnits + 1)}}, "group a: 17 units, the most is 16"},
		{[]Spec{{Name: "a", Units: many(1), Checks: make([]Check, MaxChecks+1)}}, "group a: 17 checks, the most is 16"},
		{[]Spec{{Name: "a", Units: many(1), Restart: Allowance{Attempts: 101}}}, "group a: 101 restarts, the most is 100"},
		{make([]Spec, MaxGroups+1), "257 groups, the most is 256"},
	} {
		if got := Order(c.specs); (got == nil) != (c.want == "") || got != nil && got.Error() != c.want {
			t.Errorf("%v, want %q", got, c.want)
		}
	}
}

// A crash loop that two nodes hand to each other ends on both, however long
// each of them takes to fail.
func TestCrashLoopEnds(t *testing.T) {
	for _, slow := range []time.Duration{0, time.Second, 5 * time.Minute} {
		spec := Spec{Name: "db", Units: []string{"u"}, Restart: Allowance{Attempts: 2, Within: time.Minute}}
		nodes := []*Machine{New([]Spec{spec}, at(0)), New([]Spec{spec}, at(0))}
		now, starts := at(0), 0
		for grant := range 20 {
			m := nodes[grant%2]
			done := answer(m, now, m.Step(now, Grant{0, uint64(grant + 1)}), func(a Start) Event {
				starts++
				now = now.Add(slow)
				return fails(a)
			})
			if len(find[Failed](done)) != 1 {
				t.Fatalf("grant %d: %v", grant, done)
			}
			m.Step(now, Revoke{0})
			now = now.Add(time.Second)
		}
		if starts != 2*(3+1) {
			t.Errorf("starts that take %v: %d, want 3 and one more on each node", slow, starts)
		}
		for _, m := range nodes {
			if v := m.Look(0); v.State != Broken || !strings.Contains(v.Text, "reset") {
				t.Errorf("%+v", v)
			}
		}
	}
}

// Results that alternate lead to no more restarts than any other failure.
func TestAlternatingResults(t *testing.T) {
	for rise := range 4 {
		for fall := range 4 {
			m := New([]Spec{{Name: "db", Units: []string{"u"}, Checks: []Check{{"c", rise, fall}}, Restart: Allowance{3, time.Hour}}}, at(0))
			now := at(0)
			done := answer(m, now, m.Step(now, Grant{0, 1}), works)
			for i := range 1000 {
				now = now.Add(time.Millisecond)
				done = append(done, answer(m, now, m.Step(now, Result{0, 0, m.groups[0].probing, i%2 == 0, ""}), works)...)
			}
			if starts, steady := len(find[Start](done)), len(find[Changed](done)); starts > 4 || steady > 60 {
				t.Errorf("rise %d fall %d: %d starts, %d changes", rise, fall, starts, steady)
			}
		}
	}
}

// Changed comes with what is new, and with nothing else.
func TestChanged(t *testing.T) {
	m := New([]Spec{{Name: "db", Units: []string{"u"}, Checks: []Check{{"c", 1, 2}}}, {Name: "ds", Units: []string{"u"}}}, at(0))
	for _, c := range []struct {
		ev   Event
		want bool
	}{
		{Tick{}, false},
		{Grant{0, 1}, true},
		{Grant{0, 1}, false},
		{Started{0, 0, 1}, true},
		{Result{0, 0, 2, true, "12 ms"}, true},
		{Result{0, 0, 2, true, "13 ms"}, false},
		{Result{0, 0, 2, false, "refused"}, false},
		{Result{0, 0, 2, false, "refused"}, true},
		{StopFailed{0, 0, 3, "pid 7"}, true},
		{StopFailed{0, 0, 3, "pid 7"}, false},
		{StopFailed{0, 0, 3, "pid 8"}, true},
		{Stopped{0, 0, 3}, true},
		{Revoke{0}, false},
	} {
		got := find[Changed](m.Step(at(time.Second), c.ev))
		if len(got) > 1 || len(got) == 1 != c.want || c.want && got[0].Group != 0 {
			t.Errorf("%#v: %v", c.ev, got)
		}
	}
}

// What names something that is not there changes nothing.
func TestNobody(t *testing.T) {
	m := New([]Spec{{Name: "db", Units: []string{"u"}, Checks: []Check{{"c", 1, 1}}}}, at(0))
	answer(m, at(0), m.Step(at(0), Grant{0, 1}), works)
	probe := m.groups[0].probing
	for _, i := range []int{-1, 1, 1 << 40} {
		for _, ev := range []Event{Grant{i, 9}, Revoke{i}, Adopt{Group: i}, Started{i, 0, 0}, StartFailed{0, i, 0, ""}, Died{0, i, 0, ""},
			Stopped{0, i, 0}, StopFailed{i, 0, 0, ""}, Result{0, i, probe, true, ""}, Result{i, 0, probe, true, ""}, Reset{i}, Restart{i}} {
			if got := m.Step(at(1), ev); len(got) != 0 {
				t.Errorf("%#v: %v", ev, got)
			}
		}
		if m.Ready(i) || m.Look(i).Units != nil {
			t.Error("a view of nobody")
		}
	}
}

// A number is given away only when token and hands are done with it.
func TestNumbers(t *testing.T) {
	spec := func(name string) Spec { return Spec{Name: name, Units: []string{"u"}} }
	m := New([]Spec{spec("a"), spec("b")}, at(0))
	answer(m, at(0), m.Step(at(0), Grant{0, 1}), works)
	stop := find[Stop](m.Step(at(1), Reconfigure{[]Spec{spec("b"), spec("c")}}))
	if len(stop) != 1 || m.Number("a") != -1 || m.Number("b") != 1 || m.Number("c") != 2 {
		t.Fatalf("stop %v, b %d, c %d", stop, m.Number("b"), m.Number("c"))
	}
	m.Step(at(2), Stopped{0, 0, stop[0].Order})
	m.Step(at(3), Reconfigure{[]Spec{spec("b"), spec("c"), spec("d")}})
	if m.Number("d") != 3 {
		t.Errorf("d has number %d while the token of a is held", m.Number("d"))
	}
	if down := find[Down](m.Step(at(4), Revoke{0})); len(down) != 1 {
		t.Error("no answer for a group that is gone")
	}
	m.Step(at(5), Reconfigure{[]Spec{spec("b"), spec("c"), spec("d"), spec("e")}})
	if m.Number("e") != 0 || m.Groups() != 4 {
		t.Errorf("e has number %d of %d", m.Number("e"), m.Groups())
	}
}

// Ready and Look show what a VIP and an operator need.
func TestLook(t *testing.T) {
	m := New([]Spec{{Name: "db", Units: []string{"u"}, Checks: []Check{{"c", 2, 2}}, Restart: Allowance{3, time.Minute}}}, at(0))
	answer(m, at(0), m.Step(at(0), Grant{0, 7}), works)
	m.Step(at(1), Result{0, 0, 2, true, "12 ms"})
	if v := m.Look(0); m.Ready(0) || v.State != Starting || v.Checks[0] != (CheckView{false, 1, "12 ms"}) {
		t.Errorf("%+v", v)
	}
	m.Step(at(2), Result{0, 0, 2, true, "13 ms"})
	if v := m.Look(0); !m.Ready(0) || v.Epoch != 7 || v.Checks[0] != (CheckView{true, 2, "13 ms"}) {
		t.Errorf("%+v", v)
	}
	answer(m, at(3), m.Step(at(3), Died{0, 0, 1, "killed"}), works)
	if v := m.Look(0); m.Ready(0) || v.Restarts != 1 || v.Text != "u: killed" || v.Units[0].State != Running || v.Checks[0].Text != "" {
		t.Errorf("%+v", v)
	}
	for s, want := range []string{"stopped", "starting", "running", "failing", "stopping", "blocked", "failed", "unknown"} {
		if State(s).String() != want {
			t.Errorf("state %d is %v", s, State(s))
		}
	}
}

// largest is a machine with as much as it may have, all of it running.
func largest() *Machine {
	var specs []Spec
	for i := range MaxGroups {
		specs = append(specs, Spec{Name: fmt.Sprint(i), Units: slices.Repeat([]string{"u"}, MaxUnits), Checks: make([]Check, MaxChecks)})
	}
	m := New(specs, at(0))
	for i := range specs {
		answer(m, at(0), m.Step(at(0), Grant{i, uint64(i + 1)}), works)
		for c := range MaxChecks {
			m.Step(at(0), Result{i, c, m.groups[i].probing, true, ""})
		}
	}
	return m
}

// A result in the largest configuration costs no memory.
func TestStepAllocatesNothing(t *testing.T) {
	m := largest()
	if !m.Ready(MaxGroups - 1) {
		t.Fatal("not up")
	}
	var ev Event = Result{3, 2, m.groups[3].probing, true, "fine"}
	if n := testing.AllocsPerRun(100, func() { m.Step(at(1), ev) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkStep(b *testing.B) {
	m := largest()
	var ev Event = Result{3, 2, m.groups[3].probing, true, "fine"}
	b.ReportAllocs()
	for b.Loop() {
		m.Step(at(1), ev)
	}
}

// What is revoked in one step does not start when it has waited long enough.
func TestRevokedTogether(t *testing.T) {
	specs := []Spec{{Name: "other", Units: []string{"o"}}, {Name: "db", Units: []string{"d"}}, {Name: "web", Units: []string{"w"}, After: []string{"db"}}}
	m := New(specs, 0)
	answer(m, 0, m.Step(0, Grant{Group: 0, Epoch: 1}, Grant{Group: 2, Epoch: 1}), works)
	late := clock.Instant(Settle)
	actions := m.Step(late, Revoke{Group: 0}, Revoke{Group: 2}, Tick{})
	if starts := find[Start](actions); len(starts) > 0 || len(find[Stop](actions)) != 1 || !slices.Equal(find[Down](actions), []Down{{Group: 2}}) {
		t.Errorf("%v", actions)
	}
}

// No unit is started while the grant can't be relied on; what runs goes on.
func TestPause(t *testing.T) {
	m := New([]Spec{{Name: "g", Units: []string{"a", "b"}, StartGrace: time.Second}}, at(0))
	starts := func(now clock.Instant, events ...Event) (list []Start) {
		for _, a := range m.Step(now, events...) {
			if s, ok := a.(Start); ok {
				list = append(list, s)
			}
		}
		return list
	}
	first := starts(at(0), Grant{Group: 0, Epoch: 1})
	if len(first) != 1 {
		t.Fatalf("started %v", first)
	}
	if list := starts(at(1), Pause{Group: 0, On: true}, Started{Group: 0, Unit: 0, Order: first[0].Order}); len(list) != 0 {
		t.Errorf("started %v under a grant that can't be relied on", list)
	}
	if list := starts(at(2), Tick{}); len(list) != 0 {
		t.Errorf("started %v", list)
	}
	if list := starts(at(3), Pause{Group: 0}); len(list) != 1 || list[0].Unit != 1 {
		t.Errorf("started %v when it can be relied on again", list)
	}
	m.Step(at(4), Pause{Group: 0, On: true}, Revoke{Group: 0})
}
