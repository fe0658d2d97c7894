package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"

	"vipd/testlab/pair"
	"vipd/vipd/control"
)

// scenario is one thing done to the pair, and what undoes it. Unless it says so,
// a scenario begins with both hosts up, and hist-a answering.
type scenario struct {
	name  string
	steps []step // what is done, and what undoes it unless the next scenario needs what is left
	// begins is done first, unmeasured, in place of returning to where scenarios begin;
	// ends after it, however it went.
	begins, ends func(*stage, context.Context) error
}

// step is one measured act.
type step struct {
	what   string // in words, for the timeline and the table
	act    func(*stage, context.Context) error
	then   string // the host that is to answer after it
	writer string // the host that is to write then, where there is a historian
}

var scenarios = []scenario{
	{
		name:  "host-death",
		steps: []step{{what: "hist-a loses power", act: (*stage).cutPower, then: pair.NameB}},
	},
	{
		name:   "failback",
		begins: (*stage).beWithoutA,
		steps:  []step{{what: "hist-a boots again", act: (*stage).bootA, then: pair.NameA}},
	},
	{
		name: "cable-pull",
		steps: []step{
			{what: "hist-a's service cable is pulled", act: (*stage).pullCable, then: pair.NameB},
			{what: "the cable is put back", act: (*stage).putCable, then: pair.NameA},
		},
	},
	{
		name: "stop",
		steps: []step{
			{what: "hist-a's daemon is stopped", act: (*stage).stopDaemon, then: pair.NameB},
			{what: "it is started again", act: (*stage).startDaemon, then: pair.NameA},
		},
	},
	{
		name: "move",
		steps: []step{
			{what: "the address is moved to hist-b", act: (*stage).move, then: pair.NameB},
			{what: "the move is released", act: (*stage).release, then: pair.NameA},
		},
	},
	{
		name:  "daemon-crash",
		steps: []step{{what: "hist-a's daemon is killed and restarts", act: (*stage).crashDaemon, then: pair.NameA}},
	},
	{
		name: "freeze",
		steps: []step{
			{what: "hist-a's daemon is frozen", act: (*stage).freeze, then: pair.NameB},
			{what: "it goes on", act: (*stage).thaw, then: pair.NameA},
		},
	},
	{
		name: "heal",
		steps: []step{
			{what: "hist-a is cut off, its links up", act: (*stage).cutOff, then: pair.NameB},
			{what: "it is joined again", act: (*stage).join, then: pair.NameA},
		},
	},
	services,
}

// Names are the scenarios, in the usual order.
func Names() []string {
	names := make([]string, 0, len(scenarios))
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

// list prints the scenarios.
func list(out io.Writer) error {
	rows := make([][]string, 0, len(scenarios))
	for _, s := range scenarios {
		var what []string
		for _, step := range s.steps {
			what = append(what, step.what)
		}
		rows = append(rows, []string{s.name, strings.Join(what, ", then ")})
	}
	_, err := io.WriteString(out, align(rows))
	return err
}

// choose finds the scenarios by their names; all of them for none.
func choose(names []string) ([]scenario, error) {
	if len(names) == 0 {
		return scenarios, nil
	}
	var chosen []scenario
	for _, name := range names {
		s, ok := find(name)
		if !ok {
			return nil, fmt.Errorf("%w %q; there are %s", ErrUnknownScenario, name, strings.Join(Names(), ", "))
		}
		chosen = append(chosen, s)
	}
	return chosen, nil
}

func find(name string) (scenario, bool) {
	for _, s := range scenarios {
		if s.name == name {
			return s, true
		}
	}
	return scenario{}, false
}

func (st *stage) cutPower(context.Context) error {
	st.A.CutPower()
	return nil
}

func (st *stage) bootA(context.Context) error { return st.A.Boot() }

// beWithoutA makes hist-a be without power, and hist-b answer.
func (st *stage) beWithoutA(ctx context.Context) error {
	st.A.CutPower()
	return st.Steady(ctx, pair.NameB)
}

func (st *stage) pullCable(context.Context) error {
	st.A.Service.Down()
	return nil
}

func (st *stage) putCable(context.Context) error {
	st.A.Service.Up()
	return nil
}

func (st *stage) stopDaemon(ctx context.Context) error  { return st.A.Daemon.Stop(ctx) }
func (st *stage) startDaemon(ctx context.Context) error { return st.A.Daemon.Start() }
func (st *stage) crashDaemon(context.Context) error     { return st.A.Daemon.Signal(syscall.SIGKILL) }

func (st *stage) freeze(context.Context) error { return st.A.Daemon.Signal(syscall.SIGSTOP) }
func (st *stage) thaw(context.Context) error   { return st.A.Daemon.Signal(syscall.SIGCONT) }

// cutOff silently loses all that hist-a sends and all that it is sent.
func (st *stage) cutOff(context.Context) error {
	st.mend = append(st.mend, st.A.Service.Isolate(), st.A.Other.Isolate())
	return nil
}

func (st *stage) join(context.Context) error {
	for _, mend := range st.mend {
		mend()
	}
	st.mend = nil
	return nil
}

func (st *stage) move(ctx context.Context) error {
	st.moved = true // perhaps even if the answer is an error
	_, err := st.A.Control().Move(ctx, control.MoveRequest{Token: pair.Token, To: pair.NameB})
	return err
}

func (st *stage) release(ctx context.Context) error {
	_, err := st.A.Control().Release(ctx, control.ReleaseRequest{Token: pair.Token})
	st.moved = err != nil
	return err
}
