package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// groupKeys are all that a [group.X] may hold. Those in moving say how the group goes from node to node.
var (
	groupKeys = append([]string{"kind", "units", "run", "check", "after", "restart", "stop_timeout",
		"start_grace", "check_interval", "check_timeout", "rise", "fall", "user", "group", "capabilities"}, moving...)
	moving = []string{"with", "priorities", "auto_failback", "failback_delay", "failback_max_per_hour", "disable_inheritance"}
)

// groups reads [group.X], by name; usual is how the checks of a group go that says nothing of it. A group that is no
// table stays in the list, so that what names it is not blamed.
func (root table) groups(nodes []Node, usual pace) []Group {
	t, ok := root.sub("group", "tables such as [group.historian]")
	if !ok {
		return nil
	}
	var groups []Group
	for _, name := range t.names() {
		g := Group{Name: name}
		if one, ok := t.sub(name, "a table such as [group.historian]"); ok {
			one.group(&g, nodes, usual)
			g.After = one.others("after", name, t.names())
			g.With = one.others("with", name, t.names())
		}
		groups = append(groups, g)
	}
	if len(groups) > MaxGroups {
		t.refuse(t.at.key, t.at.path, fmt.Sprintf("%d groups are too many; at most %d", len(groups), MaxGroups), "")
	}
	root.patient(groups)
	t.unitsOnce(groups)
	t.together(groups)
	t.circles(groups)
	return groups
}

func (t table) group(g *Group, nodes []Node, usual pace) {
	t.named(g.Name, "group")
	if strings.HasPrefix(g.Name, "cgroup.") {
		t.refuse(t.at.key, t.at.path, "the kernel keeps names that begin with cgroup. for itself", "")
	}
	t.only(groupKeys...)
	t.kindAndRun(g)
	g.Units = t.units()
	t.pace(&usual)
	g.StartGrace = usual.grace
	for _, target := range t.targets() {
		g.Checks = append(g.Checks, Check{target, usual.interval, usual.timeout, usual.rise, usual.fall})
	}
	g.Rights = t.rights()
	t.withoutCommands(slices.ContainsFunc(slices.Concat(g.Units, g.targets()), isCommand), "exec: units and checks")
	g.Restart = t.restart()
	g.StopTimeout = DefaultStopTimeout
	t.duration("stop_timeout", "10s", MinStopTimeout, MaxStopTimeout, &g.StopTimeout)
	if g.Both {
		t.refuseMoving()
		return
	}
	g.AutoFailback, g.FailbackDelay, g.FailbackMaxPerHour = true, DefaultGroupDelay, DefaultPerHour
	t.failback(&g.AutoFailback, &g.FailbackDelay, &g.FailbackMaxPerHour)
	g.DisableInheritance = true
	t.flag("disable_inheritance", &g.DisableInheritance)
	if !g.DisableInheritance {
		at := t.at.find("disable_inheritance")
		t.warn(at.value, at.path, "without a witness each side of a total cut runs the group")
	}
	g.Priorities = t.priorities(nodes)
}

// kindAndRun reads what the group is, and from it or from run whether every fit node runs it.
func (t table) kindAndRun(g *Group) {
	g.Kind = Plain
	if word := t.word("kind", Plain, Dataserver, Historian, RTDB, Plain); word != "" {
		g.Kind = word
	}
	g.Both = g.Kind == Dataserver
	if word := t.word("run", "one", "all", "one", "both"); word != "" {
		g.Both = word != "one" // both is the earlier word for all
	}
}

// word reads one of the known words; it is empty when none is given, or another.
func (t table) word(key, example string, known ...string) (word string) {
	if t.text(key, example, &word) && !slices.Contains(known, word) {
		last := len(known) - 1
		reason := fmt.Sprintf("%q is unknown; expected %s or %s", word, strings.Join(known[:last], ", "), known[last])
		t.wrongWord(key, reason, nearest(word, known))
		return ""
	}
	return word
}

// refuseMoving refuses the keys that say where one holder is to be, when every fit node is one.
func (t table) refuseMoving() {
	for _, key := range moving {
		if t.has(key) {
			t.wrong(key, `every fit node runs this group, so it never moves; drop this, or set run = "one"`)
		}
	}
}

// restart reads how often the units are started again here before the group is given up.
func (t table) restart() Allowance {
	a := Allowance{Attempts: DefaultAttempts, Within: DefaultWithin}
	if own, ok := t.sub("restart", `a table such as { attempts = 2, within = "1m" }`); ok {
		own.only("attempts", "within")
		own.number("attempts", 0, MaxAttempts, &a.Attempts)
		own.duration("within", "1m", MinWithin, MaxWithin, &a.Within)
	}
	return a
}

// failback reads when a token goes back to a node of higher priority.
func (t table) failback(auto *bool, delay *time.Duration, perHour *int) {
	t.flag("auto_failback", auto)
	t.duration("failback_delay", "30s", 0, MaxDelay, delay)
	t.number("failback_max_per_hour", 0, MaxPerHour, perHour)
}

// others reads a list of groups; self, the group that lists them, is empty for a vip. What is refused is left out.
func (t table) others(key, self string, known []string) []string {
	var found []string
	at := t.at.find(key)
	for i, name := range t.list(key, "groups", `["dataserver"]`, MaxNamed) {
		switch {
		case name == "": // refused by list
		case name == self:
			t.wrongItem(key, i, "%q is the group itself", name)
		case !slices.Contains(known, name):
			t.refuse(at.item(i), at.path, fmt.Sprintf("no such group as %q", name), nearest(name, known))
		case slices.Contains(found, name):
			t.wrongItem(key, i, "%q is given twice", name)
		default:
			found = append(found, name)
		}
	}
	return found
}
