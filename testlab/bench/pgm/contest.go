package main

import (
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

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
	{"pgm", ours("")}, {"pgm 5000", ours("window=5000")}, {"pgm packed", ours("pack=1")},
	{"OpenPGM udp", openPGM(3056)}, {"OpenPGM raw", openPGM(0)}, {"TCP", tcp},
}

// compete runs the matrix: throughput, then one-way times.
func compete(n *network, s settings) error {
	if err := n.segmentation(s.super); err != nil {
		return err
	}
	fmt.Printf("medians of %d alternating runs; super-packets cross the switch: %v\n\n", s.runs, s.super)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "octets\treceivers\tlost %\tcontestant\tmsg/s\tMB/s\tus CPU send\tus CPU recv\tunrecovered\tfailed runs\t")
	for _, size := range s.sizes {
		for _, receivers := range s.receivers {
			for _, loss := range s.losses {
				l := load{traffic.Plan{Count: s.count, Size: size}, receivers, loss}
				if size > 1400 {
					l.Count /= 7
				}
				n.contest(w, s, l, throughput)
				w.Flush()
			}
		}
	}
	fmt.Fprintln(w, "\noctets\treceivers\tlost %\tcontestant\tmsg/s\tp50 us\tp99 us\tp99.9 us\tunrecovered\tfailed runs\t")
	for _, loss := range s.losses {
		l := load{traffic.Plan{Count: 30_000, Size: 200, PerSecond: 10_000}, 1, loss}
		n.contest(w, s, l, latency)
		w.Flush()
	}
	return nil
}

// contest runs every contestant in turn, s.runs times, and prints medians.
func (n *network) contest(w *tabwriter.Writer, s settings, l load, row func(*tabwriter.Writer, load, string, []result)) {
	undo := n.lose(l.loss)
	defer undo()
	all := map[string][]result{}
	for range s.runs {
		for _, c := range contestants {
			if s.only == nil || slices.Contains(s.only, c.name) {
				all[c.name] = append(all[c.name], c.run(n, s, l))
			}
		}
	}
	for _, c := range contestants {
		if len(all[c.name]) > 0 {
			row(w, l, c.name, all[c.name])
		}
	}
}

func throughput(w *tabwriter.Writer, l load, name string, rs []result) {
	rate := median(rs, func(r result) float64 { return float64(r.got.Messages) / max(r.got.Seconds, 1e-9) })
	fmt.Fprintf(w, "%d\t%d\t%.1f\t%s\t%.0f\t%.1f\t%.2f\t%.2f\t%d\t%d\t\n", l.Size, l.receivers, float64(l.loss)/10, name,
		rate, rate*float64(l.Size)/1e6,
		median(rs, func(r result) float64 { return r.sent.CPU * 1e6 / float64(l.Count) }),
		median(rs, func(r result) float64 { return r.got.CPU * 1e6 / float64(max(r.got.Messages, 1)) }),
		unrecovered(l, rs), failed(name, rs))
}

func latency(w *tabwriter.Writer, l load, name string, rs []result) {
	fmt.Fprintf(w, "%d\t%d\t%.1f\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t%d\t\n", l.Size, l.receivers, float64(l.loss)/10, name, l.PerSecond,
		median(rs, func(r result) float64 { return r.got.P50 }), median(rs, func(r result) float64 { return r.got.P99 }),
		median(rs, func(r result) float64 { return r.got.P999 }), unrecovered(l, rs), failed(name, rs))
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
