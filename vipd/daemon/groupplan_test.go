package daemon

import (
	"slices"
	"strings"
	"testing"

	"vipd/vipd/control"
)

// planned is an order of group g of a pair, whose address is on hist-a.
type planned struct {
	order   string   // verb and, after a space, the node; "both" for all at once
	group   string   // both: on each; one: on hist-a; none: on none
	against []string // hist-b, for the group's token
	needed  string   // against hist-b, for the address, which requires the group; "no": it does not
	want    string
	moves   string
}

var plans = []planned{
	{"stop", "both", nil, "", "g would be stopped on hist-b and hist-a; vip:front would stay on hist-a, without it: no other node is fit", ""},
	{"stop hist-a", "both", nil, "", "g would be stopped on hist-a", "vip:front hist-a hist-b 3"},
	{"stop hist-b", "both", nil, "", "g would be stopped on hist-b", ""},
	{"stop hist-a", "both", nil, "link down", "g would be stopped on hist-a; vip:front would stay on hist-a, without it: no other node is fit", ""},
	{"stop hist-a", "one", nil, "no", "g would be stopped on hist-a", "group:g hist-a hist-b 0"},
	{"stop hist-a", "one", nil, "a required group does not run", "g would be stopped on hist-a; vip:front would follow to hist-b when it runs there", "group:g hist-a hist-b 0"},
	{"stop hist-a", "one", []string{"given up"}, "no", "g would be stopped on hist-a; no other node is fit to run it", ""},
	{"stop", "one", nil, "no", "g would be stopped on hist-a", ""},
	{"stop hist-b", "one", nil, "no", "g does not run on hist-b, and would not be started there", ""},
	{"start", "none", []string{"release requested"}, "no", "g would be started on hist-a and hist-b", ""},
	{"start hist-b", "none", []string{"release requested", "link down"}, "no", "g would be allowed to run on hist-b, but no node is fit for it now", ""},
	{"start", "one", nil, "no", "g is on hist-a already; what it failed with would be forgiven", ""},
	{"restart", "both", nil, "", "g would be restarted on hist-b, then hist-a", "vip:front hist-a hist-b 3"},
	{"restart both", "both", nil, "", "g would be restarted on hist-b and hist-a at once; vip:front would be without it, and with the node that runs it again first", ""},
	{"restart hist-b", "both", nil, "", "g would be restarted on hist-b", ""},
	{"restart", "one", nil, "a required group does not run", "g would be restarted on hist-a; vip:front would stay on hist-a, without it until it runs again", ""},
	{"restart", "none", nil, "no", "g does not run on hist-b and hist-a: nothing to restart", ""},
}

// plan builds what the node knows.
func (c planned) plan() *groupPlan {
	p := &groupPlan{order: control.GroupOrder{Name: "g", DryRun: true}, nodes: []string{"hist-b", "hist-a"}}
	var where string
	p.order.Verb, where, _ = strings.Cut(c.order, " ")
	if p.order.Both = where == "both"; where != "" && !p.order.Both {
		p.order.Node, p.nodes = where, []string{where}
	}
	p.token = control.TokenStatus{Name: "group:g", Eligible: []control.Eligibility{{Node: "hist-a", Priority: 2, Fit: true},
		{Node: "hist-b", Priority: 1, Fit: c.against == nil, Reasons: c.against}}}
	p.token.Bits.AllowMultiple = c.group == "both" || c.group == "none" && c.order == "start"
	p.token.Holders = map[string][]string{"both": {"hist-a", "hist-b"}, "one": {"hist-a"}}[c.group]
	if c.needed != "no" {
		p.needs = []control.TokenStatus{{Name: "vip:front", Holder: "hist-a", Eligible: []control.Eligibility{
			{Node: "hist-a", Priority: 2, Fit: true}, {Node: "hist-b", Priority: 1, Fit: c.needed == ""}}}}
	}
	return p
}

// What an order would do is said without a promise that nobody can keep.
func TestGroupPlan(t *testing.T) {
	for _, c := range plans {
		got := c.plan().told()
		var moves []string
		for _, m := range got.Moves {
			moves = append(moves, strings.Join([]string{m.Token, m.From, m.To, map[bool]string{true: "3", false: "0"}[m.ExpectedOutageMS == plannedOutage]}, " "))
			if !m.DryRun {
				t.Errorf("%s: %+v is no dry run", c.order, m)
			}
		}
		if got.Text != c.want || strings.Join(moves, ", ") != c.moves || !got.DryRun {
			t.Errorf("%s of one on %s:\ngot  %s (%v)\nwant %s (%s)", c.order, c.group, got.Text, moves, c.want, c.moves)
		}
		if most := slices.ContainsFunc(got.Moves, func(m control.MoveResult) bool { return m.ExpectedOutageMS > 0 }); most != (got.ExpectedOutageMS == plannedOutage) {
			t.Errorf("%s: expected outage %v", c.order, got.ExpectedOutageMS)
		}
	}
}
