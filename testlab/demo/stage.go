package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
	"vipd/testlab/standin"
)

// cluster is the name of the pair's.
const cluster = "demo"

// stage is the pair that the scenarios play on.
type stage struct {
	*pair.Pair
	tl    *timeline
	moved bool     // an operator's move is in force
	mend  []func() // what is cut off, until it is mended
	plant *plant   // the services that run beside the address, nil without
}

// build makes hosts and networks, starts both daemons, the client and the witness, and
// returns when the address answers.
func build(ctx context.Context, lab *rig.Lab, tl *timeline, exe string) (*stage, error) {
	if err := pair.WriteVIPD(cluster, false, ""); err != nil {
		return nil, err
	}
	st := &stage{Pair: pair.New(lab, pair.VIPD(exe), false), tl: tl}
	tl.watch(st)
	tl.say("two hosts start, each with a daemon")
	if err := st.Boot(); err != nil {
		return nil, err
	}
	if err := st.Steady(ctx, pair.NameA); err != nil {
		tl.close()
		return nil, fmt.Errorf("the pair did not come up: %w\n%s", err, st.LastWords())
	}
	return st, nil
}

// end stops what watches, before the lab goes.
func (st *stage) end() {
	st.tl.close()
	st.Close()
}

// ready returns the stage to where scenarios begin, also after one that failed.
func (st *stage) ready(ctx context.Context) error {
	if err := st.A.Boot(); err != nil {
		return err
	}
	st.A.Service.Up()
	st.join(ctx)
	if err := st.thaw(ctx); err != nil {
		return err
	}
	for st.moved {
		err := st.release(ctx)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("release the move: %w", err)
		case <-time.After(askEvery): // a daemon that was just started doesn't hear yet
		}
	}
	return st.Steady(ctx, pair.NameA)
}

// play runs a scenario and returns what was measured of each of its steps.
func (st *stage) play(ctx context.Context, s scenario) (rows []Row) {
	begin := st.ready
	if s.begins != nil {
		begin = func(ctx context.Context) error { return s.begins(st, ctx) }
	}
	bounded, cancel := context.WithTimeout(ctx, 2*pair.StepLimit)
	defer cancel()
	if err := begin(bounded); err != nil {
		return []Row{st.notBegun(s, err)}
	}
	if s.ends != nil {
		defer s.ends(st, ctx) // what it leaves undone the next scenario finds out
	}
	for _, step := range s.steps {
		row := st.measure(ctx, s.name, step)
		if rows = append(rows, row); row.Failed != "" {
			break
		}
	}
	return rows
}

// notBegun is the row of a scenario that could not begin, or that this host can't show.
func (st *stage) notBegun(s scenario, err error) Row {
	row := Row{Scenario: s.name, What: s.steps[0].what}
	if errors.As(err, new(unable)) {
		row.Unable = err.Error()
		st.tl.say(s.name + " is left out: " + row.Unable)
		return row
	}
	row.Failed = "could not begin: " + err.Error()
	st.tl.bad(s.name + " " + row.Failed)
	return row
}

// measure does one step and reports what client and witness saw from its beginning
// until the address answered steadily again.
func (st *stage) measure(ctx context.Context, name string, do step) Row {
	st.tl.title(do.what)
	from, mark := time.Now(), standin.Now()
	err := do.act(st, ctx)
	if err == nil {
		err = st.settle(ctx, do)
	}
	to := time.Now()
	row := newRow(name, do.what, st.probe().Report(from, to), st.Witness, from, to)
	if st.plant != nil {
		row.Writing = st.plant.writing(mark)
	}
	if err != nil {
		row.Failed = err.Error()
	}
	if err != nil && !errors.Is(err, pair.ErrInterrupted) {
		st.tl.bad(do.what + ": " + row.Failed + "\n" + st.LastWords())
	}
	return row
}

// probe is who asks the shared address: for the data server where there is one.
func (st *stage) probe() *rig.Probe {
	if st.plant != nil {
		return st.plant.probe
	}
	return st.Probe
}

// settle waits until all is as it is to be after the step.
func (st *stage) settle(ctx context.Context, do step) error {
	if st.plant == nil {
		return st.Steady(ctx, do.then)
	}
	return st.plant.settle(ctx, do)
}
