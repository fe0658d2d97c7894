package main

import (
	"fmt"
	"strings"

	"vipd/vipd/control"
)

// groups draws a table with one row for each group.
func (v view) groups(b *strings.Builder, groups []control.GroupStatus) {
	rows := [][]cell{words("GROUP", "KIND", "RUN", "HOLDER", "STATE", "CHECKS", "RESTARTS", "CONTAINED", "NOTE")}
	for _, g := range groups {
		rows = append(rows, []cell{
			{text: g.Name}, {text: g.Kind}, {text: g.Run},
			v.holder(v.tokenOf(g)),
			{aged(g.State, v.age), groupColour(g.State)},
			v.checks(g.Checks),
			{text: fmt.Sprint(g.Restarts)},
			{text: g.Contained},
			{g.Text, yellow},
		})
	}
	table(b, v.coloured, rows...)
}

// tokenOf is the token of g; one that is not known has no holder.
func (v view) tokenOf(g control.GroupStatus) control.TokenStatus {
	for _, t := range v.status.Tokens {
		if t.Name == g.Token {
			return t
		}
	}
	return control.TokenStatus{Name: g.Token}
}

// checks counts the healthy ones; there is nothing to count where none is asked.
func (v view) checks(checks []control.CheckStatus) cell {
	healthy, asked := 0, false
	for _, c := range checks {
		if c.Healthy {
			healthy++
		}
		asked = asked || c.InARow > 0
	}
	if !asked {
		return cell{}
	}
	return cell{text: aged(fmt.Sprintf("%d of %d", healthy, len(checks)), v.age)}
}

// check says what is believed of one, or nothing where it is not asked.
func (v view) check(c control.CheckStatus) cell {
	switch {
	case c.InARow == 0:
		return cell{}
	case c.Healthy:
		return cell{aged("healthy", v.age), green}
	}
	return cell{aged("sick", v.age), red}
}

// group draws all that is known of one group.
func (v view) group(g control.GroupStatus) string {
	var b strings.Builder
	v.groups(&b, []control.GroupStatus{g})
	b.WriteByte('\n')
	rows := [][]cell{words("UNIT", "STATE", "NOTE")}
	for _, u := range g.Units {
		rows = append(rows, []cell{{text: u.Name}, {aged(u.State, v.age), groupColour(u.State)}, {u.Text, yellow}})
	}
	table(&b, v.coloured, rows...)
	b.WriteByte('\n')
	if len(g.Checks) > 0 {
		rows = [][]cell{words("CHECK", "STATE", "IN A ROW", "RESULT")}
		for _, c := range g.Checks {
			rows = append(rows, []cell{{text: c.Name}, v.check(c), {text: fmt.Sprint(c.InARow)}, {text: c.Text}})
		}
		table(&b, v.coloured, rows...)
		b.WriteByte('\n')
	}
	v.tokens(&b, []control.TokenStatus{v.tokenOf(g)})
	return b.String()
}

func groupColour(state string) colour {
	switch state {
	case control.GroupRunning:
		return green
	case control.GroupBlocked, control.GroupFailed, control.GroupFailing:
		return red
	case control.GroupStopped:
		return plain
	}
	return yellow
}
