// Command demo shows failovers on one machine: two hosts with the real daemon, two
// networks, a client and a witness, all in private namespaces.
//
//	go run ./testlab/demo
//	go run ./testlab/demo --scenario host-death --scenario failback
//	go run ./testlab/demo --scenario list
//
// It knows what to break and how long to wait for the address to answer again. It
// never says how a failover must go or how long it may take: every figure is what the
// client and the witness measured while the daemons did what they do anywhere else; who
// wrote is what the historian's store says.
//
//	scenarios ─► stage ─► pair: hosts, daemons, networks
//	               │        └──► client, witness ─┐
//	               └► timeline ◄──── roles, view ─┼─► rows: table | JSON
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
)

// limit is how long the whole demo may take; what didn't come to its turn by then is
// said to have failed.
const limit = 38 * time.Second

// Options say what to show and how.
type Options struct {
	Scenarios []string // names, in the order to be shown; none is all, in the usual order
	JSON      bool     // one JSON document in place of timeline and table
	Keep      bool     // leave the lab up after the table until ctx ends
	Out       io.Writer
	Terminal  bool   // Out is a terminal: keep a live line below the timeline
	Colour    bool   // ANSI colours are welcome
	Exe       string // the program with the verb "run"
}

// List is what Options.Scenarios may name to have the scenarios listed.
const List = "list"

// ErrUnknownScenario: Options named a scenario that doesn't exist.
var ErrUnknownScenario = errors.New("unknown scenario")

// Run shows the scenarios. It re-executes this process, with the same arguments, in
// private namespaces (see rig.Enter) and then, outside, never returns unless it can't;
// so call it before anything that must not happen twice. The error says which
// scenarios failed, ErrUnknownScenario, or why there is no lab.
func Run(ctx context.Context, o Options) error {
	if slices.Contains(o.Scenarios, List) {
		return list(o.Out)
	}
	chosen, err := choose(o.Scenarios)
	if err != nil {
		return err
	}
	if err := rig.Enter(); err != nil {
		return err
	}
	return rig.With(func(lab *rig.Lab) error { return show(ctx, lab, chosen, o) })
}

// show builds the stage, runs the scenarios and prints what was measured.
func show(ctx context.Context, lab *rig.Lab, chosen []scenario, o Options) error {
	tl := newTimeline(o)
	defer tl.close()
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	st, err := build(bounded, lab, tl, o.Exe)
	if err != nil {
		return err
	}
	defer st.end()
	began := time.Now()
	var rows []Row
	for _, s := range chosen {
		rows = append(rows, st.play(bounded, s)...)
		if ctx.Err() != nil {
			return pair.ErrInterrupted
		}
	}
	tl.close()
	doc := document{Rows: rows, Seconds: time.Since(began).Seconds()}
	if o.Keep {
		doc.Shells = st.shells()
	}
	if err := print(o, doc); err != nil {
		return err
	}
	if o.Keep {
		st.keep(ctx, o)
	}
	return failures(rows)
}

// failures names what failed, nil when nothing did.
func failures(rows []Row) error {
	var names []string
	for _, r := range rows {
		if r.Failed != "" && !slices.Contains(names, r.Scenario) {
			names = append(names, r.Scenario)
		}
	}
	if names == nil {
		return nil
	}
	return fmt.Errorf("failed: %s", strings.Join(names, ", "))
}
