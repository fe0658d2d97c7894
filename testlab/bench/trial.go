package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
)

const (
	nameA = pair.NameA
	nameB = pair.NameB

	// tryLimit bounds one repetition, but for the time in which nothing is to happen.
	tryLimit = 90 * time.Second
)

// values are the figures of one repetition, by name.
type values map[string]float64

// stallKey is the figure of every repetition that no scenario names: for how long, in
// ms, the client itself did not ask.
const stallKey = "client stalled"

// trial is one repetition: a fresh laboratory with the pair in it.
type trial struct {
	*pair.Pair
	ctx     context.Context
	lab     *rig.Lab
	subject *subject
	program *program
	lasts   time.Duration // as in scenario
	values  values
}

// try plays a scenario once.
func try(ctx context.Context, s scenario, who subject, program *program) (got values, err error) {
	err = rig.With(func(lab *rig.Lab) error {
		ctx, cancel := context.WithTimeout(ctx, tryLimit+2*s.lasts)
		defer cancel()
		if err := who.write(s.scene); err != nil {
			return err
		}
		run := who.run(program)
		if s.scene.ordinary {
			run = ordinary(run)
		}
		t := &trial{
			Pair: pair.New(lab, run, s.scene.onePath),
			ctx:  ctx, lab: lab, subject: &who, program: program, lasts: s.lasts, values: values{},
		}
		defer t.Close()
		if err := t.begin(); err != nil {
			return fmt.Errorf("could not begin: %w\n%s", err, t.LastWords())
		}
		if err := s.play(t); err != nil {
			return fmt.Errorf("%w\n%s", err, t.LastWords())
		}
		got = t.values
		return nil
	})
	return got, err
}

// begin brings the pair up and waits for hist-a to answer, and then for a random part
// of an interval, so that what befalls it befalls it at any phase.
func (t *trial) begin() error {
	if err := t.Boot(); err != nil {
		return err
	}
	return t.settle(nameA)
}

func (t *trial) settle(name string) error {
	if err := t.Steady(t.ctx, name); err != nil {
		return err
	}
	t.wait(rand.N(t.subject.interval))
	return nil
}

// wait lets time pass in the lab.
func (t *trial) wait(d time.Duration) {
	select {
	case <-t.ctx.Done():
	case <-time.After(d):
	}
}

// change does something after which that host is to answer, and measures until it does.
func (t *trial) change(act func() error, then string) error {
	return t.changeWithin(act, then, pair.StepLimit)
}

// changeWithin is change with a limit of the scenario's.
func (t *trial) changeWithin(act func() error, then string, limit time.Duration) error {
	from := time.Now()
	if err := act(); err != nil {
		return err
	}
	if err := t.SteadyWithin(t.ctx, then, limit); err != nil {
		return err
	}
	t.report(from, time.Now())
	if at, ok := t.Probe.Answered(then, from); ok {
		t.values[moved] = ms(at.Sub(from))
	}
	return nil
}

// observe does something and measures for a while, whoever answers.
func (t *trial) observe(act func() error, during time.Duration) (rig.Report, error) {
	from := time.Now()
	if err := act(); err != nil {
		return rig.Report{}, err
	}
	t.wait(during - time.Since(from))
	return t.report(from, time.Now()), t.ctx.Err()
}

// report enters what client and witness saw.
func (t *trial) report(from, to time.Time) rig.Report {
	r := t.Probe.Report(from, to)
	t.values[outage] = ms(r.Datagrams.Outage)
	t.values[lost] = float64(r.Datagrams.Lost)
	t.values[dual] = ms(t.Witness.Dual(from, to))
	t.values[shouted] = float64(len(t.Witness.Announcements(from, to)))
	t.values[stallKey] = ms(r.Stall)
	return r
}

// answered is 1 if the host is among those that answered.
func answered(r rig.Report, name string) float64 {
	if slices.Contains(r.Datagrams.Who, name) {
		return 1
	}
	return 0
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
