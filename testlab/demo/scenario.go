package demo

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
	name string
	do   step
	undo step // empty when the next scenario needs what do left
	// begins is done first, unmeasured, in place of returning to where scenarios begin.
	begins func(*stage, context.Context) error
}

// step is one measured act.
type step struct {
	what string // in words, for the timeline and the table
	act  func(*stage, context.Context) error
	then string // the host that is to answer after it
}

var scenarios = []scenario{
	{
		name: "host-death",
		do:   step{"hist-a loses power", (*stage).cutPower, pair.NameB},
	},
	{
		name:   "failback",
		begins: (*stage).beWithoutA,
		do:     step{"hist-a boots again", (*stage).bootA, pair.NameA},
	},
	{
		name: "cable-pull",
		do:   step{"hist-a's service cable is pulled", (*stage).pullCable, pair.NameB},
		undo: step{"the cable is put back", (*stage).putCable, pair.NameA},
	},
	{
		name: "stop",
		do:   step{"hist-a's daemon is stopped", (*stage).stopDaemon, pair.NameB},
		undo: step{"it is started again", (*stage).startDaemon, pair.NameA},
	},
	{
		name: "move",
		do:   step{"the address is moved to hist-b", (*stage).move, pair.NameB},
		undo: step{"the move is released", (*stage).release, pair.NameA},
	},
	{
		name: "daemon-crash",
		do:   step{"hist-a's daemon is killed and restarts", (*stage).crashDaemon, pair.NameA},
	},
	{
		name: "freeze",
		do:   step{"hist-a's daemon is frozen", (*stage).freeze, pair.NameB},
		undo: step{"it goes on", (*stage).thaw, pair.NameA},
	},
	{
		name: "heal",
		do:   step{"hist-a is cut off, its links up", (*stage).cutOff, pair.NameB},
		undo: step{"it is joined again", (*stage).join, pair.NameA},
	},
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
		what := s.do.what
		if s.undo.act != nil {
			what += ", then " + s.undo.what
		}
		rows = append(rows, []string{s.name, what})
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
