package faults

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/standin"
)

// An operator's orders of groups: what a dry run says comes about, and only then; a
// restart is rolling, the standby first, so that one node serves at every time, or with
// --both at once. {A} wrong use says what is right and does nothing.
func TestGroupOrders(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.start()
	began, before := time.Now(), p.servers()
	for _, c := range []struct {
		code int
		say  string
		verb string
	}{
		{0, "dry run: data would be restarted on {B}, then {A}\ndry run: vip:front would move from {A} to {B}; expected outage 3.0ms", "restart data --dry-run"},
		{0, "dry run: data would be restarted on {B} and {A} at once; vip:front would be without it, and with the node that runs it again first", "restart data --both --dry-run"},
		{0, "dry run: history would be stopped on {A}\ndry run: group:history would move from {A} to {B}; it is away", "stop history --node {A} --dry-run"},
		{0, "dry run: history is on {A} already", "start history --dry-run"},
		{0, `"dry_run": true`, "stop data --dry-run --json"},
		{2, `unknown group "dat"; did you mean "data"?`, "restart dat"},
		{2, `unknown node "nobody"`, "stop data --node nobody"},
		{2, "--both and --node contradict each other", "restart data --both --node {A}"},
		{2, "unknown flag: --both", "stop data --both"},
		{2, "name a group", "restart"},
	} {
		p.a.expect(c.code, p.names(c.say), append([]string{"group"}, strings.Fields(p.names(c.verb))...)...)
	}
	if now := p.servers(); !slices.Equal(now, before) {
		t.Errorf("a dry run or a wrong use made %v of the data servers %v", now, before)
	}
	p.a.expect(0, "data is restarted on every node heard", "group", "restart", dataGroup)
	p.answers(p.b) // where it was restarted first, and nothing goes back by itself
	p.restarted(before)
	if again, next := p.b.told("group data: running", began), p.a.told("group data: stopping", began); again.IsZero() || next.Before(again) {
		t.Errorf("not one after the other: the standby ran again at %v, the other was stopped at %v", again, next)
	}
	before = p.servers()
	p.b.expect(0, "data is restarted on every node heard", "group", "restart", dataGroup, "--both")
	p.restarted(before)

	kept, writer := p.servers(), p.a.pids(historyGroup, standin.Historian)
	for _, n := range []*node{p.a, p.b} {
		n.expect(0, "", "restart")
	}
	p.ready(p.a)
	p.ready(p.b)
	p.writes(p.a)
	if now := p.servers(); !slices.Equal(now, kept) || !slices.Equal(p.a.pids(historyGroup, standin.Historian), writer) {
		t.Errorf("a restart of the daemons changed %v to %v", kept, now)
	}
	p.sound()
	p.oneRan()
}

// names puts the nodes' names for {A} and {B}.
func (p *plant) names(text string) string {
	return strings.NewReplacer("{A}", p.a.name, "{B}", p.b.name).Replace(text)
}

// told is when the node's journal said so first, after that; never is the zero time.
func (n *node) told(words string, after time.Time) time.Time {
	for _, e := range n.events() {
		if e.Time.After(after) && strings.HasPrefix(e.Text, words) {
			return e.Time
		}
	}
	return time.Time{}
}

// restarted fails unless both data servers are others than these.
func (p *plant) restarted(before []int) {
	p.t.Helper()
	p.ready(p.a)
	p.ready(p.b)
	if now := p.servers(); len(now) != 2 || slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(before, pid) }) {
		p.t.Errorf("data servers %v, before %v", now, before)
	}
}

// servers are the data servers' processes.
func (p *plant) servers() []int {
	return append(p.a.pids(dataGroup, standin.DataServer), p.b.pids(dataGroup, standin.DataServer)...)
}
