package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vipd/vipd/control"
)

// fresh is the age up to which a value is shown as it is; an older one stands
// in brackets with its age behind.
const fresh = 2 * time.Second

// view draws one status as text.
type view struct {
	status   control.Status
	age      time.Duration // of the status as a whole
	coloured bool
}

func newView(s control.Status, now time.Time, coloured bool) view {
	return view{s, max(0, now.Sub(s.AsOf)), coloured}
}

func (v view) String() string {
	var b strings.Builder
	v.heading(&b)
	b.WriteByte('\n')
	rows := [][]cell{words("NODE", "STATE", "PRIORITY", "HEARD", "PATHS", "CLOCK")}
	for _, n := range v.status.Nodes {
		rows = append(rows, v.node(n))
	}
	table(&b, v.coloured, rows...)
	b.WriteByte('\n')
	v.tokens(&b, v.status.Tokens)
	if len(v.status.Groups) > 0 {
		b.WriteByte('\n')
		v.groups(&b, v.status.Groups)
	}
	v.footing(&b)
	return b.String()
}

// tokens draws a table with one row for each token.
func (v view) tokens(b *strings.Builder, tokens []control.TokenStatus) {
	rows := [][]cell{words("TOKEN", "HOLDER", "STATE", "EPOCH", "SINCE", "ADDRESSES", "ELIGIBLE", "BITS", "NOTE")}
	for _, t := range tokens {
		rows = append(rows, v.token(t))
	}
	table(b, v.coloured, rows...)
}

func (v view) heading(b *strings.Builder) {
	s := v.status
	name := cell{s.Cluster, bold}
	table(b, v.coloured, append([]cell{name}, words("seen from "+s.Node, "vipd "+s.Version,
		"configuration "+s.ConfigDigest, "lease "+s.LeaseLayer, "up "+short(s.AsOf.Sub(s.Started)+v.age))...))
	if v.age > fresh {
		v.line(b, red, "everything below is "+short(v.age)+" old: the daemon's loop is stuck")
	}
}

func (v view) footing(b *strings.Builder) {
	s := v.status
	if len(s.Alarms)+len(s.Dropped) > 0 || keysOf(s.Nodes) != "" {
		b.WriteByte('\n')
	}
	for _, a := range s.Alarms {
		v.line(b, red, "alarm: "+a)
	}
	if text := keysOf(s.Nodes); text != "" {
		v.line(b, plain, text)
	}
	var refused []string
	for _, reason := range slices.Sorted(maps.Keys(s.Dropped)) {
		if n := s.Dropped[reason]; n > 0 {
			refused = append(refused, fmt.Sprintf("%s %d", reason, n))
		}
	}
	if len(refused) > 0 {
		v.line(b, plain, "datagrams refused: "+strings.Join(refused, ", "))
	}
}

// keysOf says with which keys the nodes seal and open, unless all have the same one
// alone.
func keysOf(nodes []control.NodeStatus) string {
	var list []string
	alike := true
	for _, n := range nodes {
		if len(n.Keys) == 0 {
			continue // not heard
		}
		text := fmt.Sprintf("%s seals with %s", n.Name, n.Keys[0])
		if len(n.Keys) > 1 {
			text += " and opens " + strings.Join(n.Keys[1:], ", ") + " too"
		}
		list = append(list, text)
		alike = alike && slices.Equal(n.Keys, nodes[0].Keys) && len(n.Keys) == 1
	}
	if alike {
		return ""
	}
	return "keys: " + strings.Join(list, "; ")
}

func (v view) line(b *strings.Builder, c colour, text string) {
	table(b, v.coloured, []cell{{text, c}})
}

// aged brackets what is older than fresh.
func aged(text string, age time.Duration) string {
	if age <= fresh || text == "" {
		return text
	}
	return fmt.Sprintf("[%s] %s", text, short(age))
}

// since is the age of a value that was ms old when the status was taken, or
// of the status where that is not known.
func (v view) since(ms *float64) time.Duration {
	if ms == nil {
		return v.age
	}
	return milliseconds(*ms) + v.age
}

func (v view) node(n control.NodeStatus) []cell {
	name := n.Name
	heard := "never"
	switch {
	case n.Self:
		name, heard = name+" *", ""
	case n.HeardAgeMS != nil:
		heard = short(v.since(n.HeardAgeMS))
	}
	return []cell{
		{text: name},
		{aged(n.State, v.age), nodeColour(n.State)},
		{text: fmt.Sprint(n.Priority)},
		{text: heard},
		{text: v.paths(n.Paths)},
		{v.clock(n), clockColour(n.Clock.Verdict)},
	}
}

func (v view) paths(paths []control.PathStatus) string {
	var list []string
	for _, p := range paths {
		state := "down"
		if p.Up {
			state = "up"
		}
		if p.Up && p.RoundTripMS != nil {
			state = fmt.Sprintf("%.1fms", *p.RoundTripMS)
		}
		if p.Up && p.LossRatio > 0 {
			state += fmt.Sprintf(" loss %.1f%%", 100*p.LossRatio)
		}
		list = append(list, p.Remote+" "+aged(state, v.since(p.HeardAgeMS)))
	}
	return strings.Join(list, ", ")
}

func (v view) clock(n control.NodeStatus) string {
	c := n.Clock
	var list []string
	if c.OffsetMS != nil && !n.Self {
		list = append(list, fmt.Sprintf("%+.1fms", *c.OffsetMS))
		if c.ErrorBoundMS != nil {
			list = append(list, fmt.Sprintf("±%.1fms", *c.ErrorBoundMS))
		}
	}
	if !n.Self || c.Verdict == control.ClockBeyond {
		list = append(list, c.Verdict)
	}
	if c.Synchronised != nil && *c.Synchronised {
		list = append(list, "synchronised")
	}
	return aged(strings.Join(list, " "), v.since(n.HeardAgeMS))
}

func (v view) token(t control.TokenStatus) []cell {
	held := ""
	if t.SinceMS != nil {
		held = short(v.since(t.SinceMS))
	}
	return []cell{
		{text: t.Name},
		v.holder(t),
		{text: aged(t.State, v.age)},
		{text: fmt.Sprint(t.Epoch)},
		{text: held},
		{text: strings.Join(t.Addresses, ", ")},
		{text: aged(fitness(t.Eligible), v.age)},
		{text: bits(t.Bits)},
		{note(t), yellow},
	}
}

func (v view) holder(t control.TokenStatus) cell {
	switch n := len(t.Holders); {
	case n == 0:
		return cell{aged("nobody", v.age), red}
	case n > 1 && !t.Bits.AllowMultiple:
		return cell{aged(strings.Join(t.Holders, ", "), v.age), red}
	}
	return cell{aged(strings.Join(t.Holders, ", "), v.age), green}
}

// fitness lists the fit nodes, and the others with what speaks against them.
func fitness(nodes []control.Eligibility) string {
	var list []string
	for _, e := range nodes {
		word := e.Node
		if !e.Fit {
			word = "not " + word
		}
		if len(e.Reasons) > 0 {
			word += " (" + strings.Join(e.Reasons, ", ") + ")"
		}
		list = append(list, word)
	}
	return strings.Join(list, ", ")
}

// bits are four letters: M allow multiple, F auto failback, D disable
// inheritance, R release requested; "-" where off.
func bits(b control.Bits) string {
	text := []byte("----")
	for i, on := range []bool{b.AllowMultiple, b.AutoFailback, b.DisableInheritance, b.ReleaseRequested} {
		if on {
			text[i] = "MFDR"[i]
		}
	}
	return string(text)
}

func note(t control.TokenStatus) string {
	var list []string
	if t.Note != "" {
		list = append(list, t.Note)
	}
	if t.PinnedTo != "" {
		list = append(list, "moved to "+t.PinnedTo+" by operator")
	}
	if t.MovesLastHour > 0 {
		list = append(list, count(t.MovesLastHour, "move")+" in the last hour")
	}
	return strings.Join(list, "; ")
}

func nodeColour(state string) colour {
	switch state {
	case control.NodeUp:
		return green
	case control.NodeSilent, control.NodeUnknown:
		return red
	}
	return yellow
}

func clockColour(verdict string) colour {
	if verdict == control.ClockBeyond {
		return red
	}
	return plain
}
