package demo

import (
	"context"
	"fmt"
	"io"
	"strings"

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
		do:   step{"hist-a loses power", (*stage).cutPower, nameB},
	},
	{
		name:   "failback",
		begins: (*stage).beWithoutA,
		do:     step{"hist-a boots again", (*stage).bootA, nameA},
	},
	{
		name: "cable-pull",
		do:   step{"hist-a's service cable is pulled", (*stage).pullCable, nameB},
		undo: step{"the cable is put back", (*stage).putCable, nameA},
	},
	{
		name: "stop",
		do:   step{"hist-a's daemon is stopped", (*stage).stopDaemon, nameB},
		undo: step{"it is started again", (*stage).startDaemon, nameA},
	},
	{
		name: "move",
		do:   step{"the address is moved to hist-b", (*stage).move, nameB},
		undo: step{"the move is released", (*stage).release, nameA},
	},
	{
		name: "daemon-crash",
		do:   step{"hist-a's daemon is killed and restarts", (*stage).crashDaemon, nameA},
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
	st.a.cutPower()
	return nil
}

func (st *stage) bootA(context.Context) error { return st.a.boot() }

// beWithoutA makes hist-a be without power, and hist-b answer.
func (st *stage) beWithoutA(ctx context.Context) error {
	st.a.cutPower()
	return st.steady(ctx, nameB)
}

func (st *stage) pullCable(context.Context) error {
	st.a.service.Down()
	return nil
}

func (st *stage) putCable(context.Context) error {
	st.a.service.Up()
	return nil
}

func (st *stage) stopDaemon(ctx context.Context) error  { return st.a.daemon.stop(ctx) }
func (st *stage) startDaemon(ctx context.Context) error { return st.a.daemon.start() }
func (st *stage) crashDaemon(context.Context) error     { return st.a.daemon.crash() }

func (st *stage) move(ctx context.Context) error {
	st.moved = true // perhaps even if the answer is an error
	_, err := st.a.control().Move(ctx, control.MoveRequest{Token: token, To: nameB})
	return err
}

func (st *stage) release(ctx context.Context) error {
	_, err := st.a.control().Release(ctx, control.ReleaseRequest{Token: token})
	st.moved = err != nil
	return err
}
