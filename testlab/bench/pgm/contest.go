package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"vipd/pgm/traffic"
)

// load is one cell of the matrix.
type load struct {
	traffic.Plan
	receivers int
	loss      int // of a thousand
}

// result is one run: the sender, and the worst receiver.
type result struct {
	sent traffic.Sent
	got  traffic.Received
	fail error
}

// contestant is one way to carry messages.
type contestant struct {
	name string
	run  func(n *network, s settings, l load) result
}

var contestants = []contestant{
	{"pgm", ours("")}, {"pgm 5000", ours("window=5000")}, {"pgm packed", ours("pack=1")}, {"pgm sealed", ours("seal=1")},
	{"OpenPGM udp", openPGM(3056)}, {"OpenPGM raw", openPGM(0)}, {"TCP", tcp},
}

// cell is one load under one condition.
type cell struct {
	super           bool // super-packets cross the switch
	size, receivers int
	loss            int  // of a thousand
	paced           bool // 10 000 messages a second, for one-way times
}

// load is what is sent in the cell.
func (c cell) load(s settings) load {
	l := load{traffic.Plan{Count: s.count, Size: c.size}, c.receivers, c.loss}
	switch {
	case c.paced:
		l.Count, l.PerSecond = 30_000, 10_000
	case c.size > 1400:
		l.Count /= 7
	}
	return l
}

// matrix lists the cells and, for each, who takes part: those that goals name,
// and unless they alone are wanted, everybody in all that the settings list.
// What goals name with super-packets comes last.
func matrix(s settings) (cells []cell, names map[cell][]string) {
	named, names := goalEntries()
	if s.goals {
		return byKind(named), names
	}
	all := map[cell][]string{}
	for _, size := range s.sizes {
		for _, receivers := range s.receivers {
			for _, loss := range s.losses {
				cells = append(cells, cell{s.super, size, receivers, loss, false})
			}
		}
	}
	for _, loss := range s.losses {
		cells = append(cells, cell{s.super, 200, 1, loss, true})
	}
	for _, c := range cells {
		all[c] = s.only
		if s.only == nil {
			for _, who := range contestants {
				all[c] = append(all[c], who.name)
			}
		}
	}
	for _, c := range named {
		if s.only == nil && all[c] == nil && c.super {
			cells, all[c] = append(cells, c), names[c]
		}
	}
	return cells, all
}

// byKind puts cells that are printed alike together.
func byKind(cells []cell) []cell {
	slices.SortStableFunc(cells, func(a, b cell) int { return kind(a) - kind(b) })
	return cells
}

func kind(c cell) int {
	switch {
	case c.super:
		return 2
	case c.paced:
		return 1
	}
	return 0
}

// compete runs the matrix and prints it, then the goals.
func compete(n *network, s settings) error {
	fmt.Printf("medians of %d alternating runs, of %d where no goal is at stake\n", s.runs, s.others)
	began := time.Now()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	cells, names := matrix(s)
	all := map[entry][]result{}
	for i, c := range cells {
		if err := n.segmentation(c.super); err != nil {
			return err
		}
		if i == 0 || kind(c) != kind(cells[i-1]) || c.paced != cells[i-1].paced {
			heading(w, c)
		}
		for name, rs := range n.contest(s, c, names[c]) {
			all[entry{c, name}] = rs
		}
		for _, who := range contestants {
			if rs := all[entry{c, who.name}]; len(rs) > 0 {
				row(w, c, who.name, c.load(s), rs)
			}
		}
		w.Flush()
	}
	printGoals(os.Stdout, all)
	fmt.Printf("\ntook %.0f s\n", time.Since(began).Seconds())
	return nil
}

// contest runs those named in turn: s.runs times, or s.others where no goal names
// them in this cell.
func (n *network) contest(s settings, c cell, names []string) map[string][]result {
	l := c.load(s)
	undo := n.lose(l.loss)
	defer undo()
	_, aims := goalEntries()
	all := map[string][]result{}
	for i := range max(s.runs, s.others) {
		for _, who := range contestants {
			most := s.others
			if slices.Contains(aims[c], who.name) {
				most = s.runs
			}
			if i < most && slices.Contains(names, who.name) {
				all[who.name] = append(all[who.name], who.run(n, s, l))
			}
		}
	}
	return all
}

func heading(w *tabwriter.Writer, c cell) {
	fmt.Fprintf(w, "\nsuper-packets cross the switch: %v\n", c.super)
	if c.paced {
		fmt.Fprintln(w, "octets\treceivers\tlost %\tcontestant\tmsg/s\tp50 us\tp99 us\tp99.9 us\tunrecovered\tfailed runs\t")
		return
	}
	fmt.Fprintln(w, "octets\treceivers\tlost %\tcontestant\tmsg/s\tMB/s\tus CPU send\tus CPU recv\tunrecovered\tfailed runs\t")
}

func row(w *tabwriter.Writer, c cell, name string, l load, rs []result) {
	fmt.Fprintf(w, "%d\t%d\t%.1f\t%s\t", l.Size, l.receivers, float64(l.loss)/10, name)
	m := func(of func(result) float64) float64 { return median(rs, of) }
	if c.paced {
		fmt.Fprintf(w, "%.0f\t%.0f\t%.0f\t%.0f\t", m(rate.of), m(p50.of), m(p99.of), m(func(r result) float64 { return r.got.P999 }))
	} else {
		fmt.Fprintf(w, "%.0f\t%.1f\t%.2f\t%.2f\t", m(rate.of), m(rate.of)*float64(l.Size)/1e6, m(toSend.of), m(toRecv.of))
	}
	fmt.Fprintf(w, "%d\t%d\t\n", unrecovered(l, rs), failed(name, rs))
}

// unrecovered is how many messages the worst receiver missed, over all runs.
func unrecovered(l load, rs []result) (n int) {
	for _, r := range rs {
		if r.fail == nil {
			n += l.Count - r.got.Messages
		}
	}
	return n
}

// failed counts the runs that gave no result, and says why.
func failed(name string, rs []result) (n int) {
	for _, r := range rs {
		if r.fail != nil {
			n++
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, r.fail)
		}
	}
	return n
}

// median leaves failed runs out.
func median(rs []result, of func(result) float64) float64 {
	var v []float64
	for _, r := range rs {
		if r.fail == nil {
			v = append(v, of(r))
		}
	}
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	return v[len(v)/2]
}
