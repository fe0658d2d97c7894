package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// measure is a figure of a run.
type measure struct {
	name string
	of   func(r result) float64
}

var (
	rate   = measure{"msg/s", func(r result) float64 { return float64(r.got.Messages) / max(r.got.Seconds, 1e-9) }}
	p50    = measure{"p50 us", func(r result) float64 { return r.got.P50 }}
	p99    = measure{"p99 us", func(r result) float64 { return r.got.P99 }}
	toSend = measure{"us CPU send", func(r result) float64 { return r.sent.CPU * 1e6 / float64(max(r.sent.Messages, 1)) }}
	toRecv = measure{"us CPU recv", func(r result) float64 { return r.got.CPU * 1e6 / float64(max(r.got.Messages, 1)) }}
)

// entry is one contestant in one cell.
type entry struct {
	cell
	name string
}

// goal is what ours should reach: a ratio to another entry of the same call, or,
// where there is none, a figure of its own.
type goal struct {
	text   string
	what   measure
	ours   entry
	beside entry // the zero entry: none
	least  float64
	most   float64 // 0: no limit
}

func at(name string, size, receivers, loss int) entry {
	return entry{cell{size: size, receivers: receivers, loss: loss}, name}
}

func paced(name string, loss int) entry {
	return entry{cell{size: 200, receivers: 1, loss: loss, paced: true}, name}
}

func super(e entry) entry { e.super = true; return e }

// goals are what the package is to reach.
var goals = []goal{
	{"1000 B, to OpenPGM", rate, at("pgm", 1000, 1, 0), at("OpenPGM udp", 1000, 1, 0), 1.75, 0},
	{"1000 B, 1 % lost, to OpenPGM", rate, at("pgm", 1000, 1, 10), at("OpenPGM udp", 1000, 1, 10), 1.75, 0},
	{"1000 B, super-packets, to OpenPGM", rate, super(at("pgm", 1000, 1, 0)), super(at("OpenPGM udp", 1000, 1, 0)), 3.5, 0},
	{"1000 B, super-packets, two receivers, to TCP's each", rate, super(at("pgm", 1000, 2, 0)), super(at("TCP", 1000, 2, 0)), 0.5, 0},
	{"8000 B, to OpenPGM", rate, at("pgm", 8000, 1, 0), at("OpenPGM udp", 8000, 1, 0), 1.3, 0},
	{"100 B, to OpenPGM", rate, at("pgm", 100, 1, 0), at("OpenPGM udp", 100, 1, 0), 1.4, 0},
	{"100 B packed, to OpenPGM", rate, at("pgm packed", 100, 1, 0), at("OpenPGM udp", 100, 1, 0), 5.5, 0},
	{"1000 B sealed by AES-GCM, to bare", rate, at("pgm sealed", 1000, 1, 0), at("pgm", 1000, 1, 0), 0.8, 0},
	{"1000 B, two receivers, to one", rate, at("pgm", 1000, 2, 0), at("pgm", 1000, 1, 0), 0.9, 0},
	{"1000 B, window of 5000, 5 % lost, to none lost", rate, at("pgm 5000", 1000, 1, 50), at("pgm 5000", 1000, 1, 0), 0.8, 0},
	{"10 000 msg/s", p50, paced("pgm", 0), entry{}, 0, 25},
	{"10 000 msg/s", p99, paced("pgm", 0), entry{}, 0, 300},
	{"10 000 msg/s, to OpenPGM", p50, paced("pgm", 0), paced("OpenPGM udp", 0), 0, 0},
	{"10 000 msg/s, 1 % lost", p99, paced("pgm", 10), entry{}, 0, 3000},
	{"10 000 msg/s, 1 % lost, to OpenPGM", p99, paced("pgm", 10), paced("OpenPGM udp", 10), 0, 0.2},
	{"1000 B", toSend, at("pgm", 1000, 1, 0), entry{}, 0, 4},
	{"1000 B", toRecv, at("pgm", 1000, 1, 0), entry{}, 0, 2},
}

// goalEntries are the cells that goals name, and who is needed in each.
func goalEntries() (plan []cell, names map[cell][]string) {
	names = map[cell][]string{}
	add := func(e entry) {
		if e.name == "" {
			return
		}
		if names[e.cell] == nil {
			plan = append(plan, e.cell)
		}
		names[e.cell] = append(names[e.cell], e.name)
	}
	for _, g := range goals {
		add(g.ours)
		add(g.beside)
	}
	return plan, names
}

// printGoals holds the medians against the goals.
func printGoals(out io.Writer, all map[entry][]result) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ngoal\tof\tours\tbeside\tratio\twanted\t\t")
	for _, g := range goals {
		ours, ok := middle(all[g.ours], g.what)
		beside, both := middle(all[g.beside], g.what)
		if !ok || g.beside.name != "" && !both {
			fmt.Fprintf(w, "%s\t%s\t\t\t\t%s\tnot measured\t\n", g.text, g.what.name, g.wanted())
			continue
		}
		v := ours
		if g.beside.name == "" {
			fmt.Fprintf(w, "%s\t%s\t%s\t\t\t", g.text, g.what.name, figure(ours))
		} else {
			v = ours / max(beside, 1e-9)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.2f\t", g.text, g.what.name, figure(ours), figure(beside), v)
		}
		fmt.Fprintf(w, "%s\t%s\t\n", g.wanted(), g.verdict(v))
	}
	w.Flush()
}

func figure(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (g goal) wanted() string {
	switch {
	case g.least > 0:
		return fmt.Sprintf(">= %g", g.least)
	case g.most > 0:
		return fmt.Sprintf("<= %g", g.most)
	}
	return ""
}

func (g goal) verdict(v float64) string {
	switch {
	case g.least == 0 && g.most == 0:
		return ""
	case v < g.least || g.most > 0 && v > g.most:
		return "missed"
	}
	return "met"
}

// middle is the median of the runs that gave a result.
func middle(rs []result, what measure) (float64, bool) {
	for _, r := range rs {
		if r.fail == nil {
			return median(rs, what.of), true
		}
	}
	return 0, false
}
