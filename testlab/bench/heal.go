package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"vipd/testlab/pair"
)

// healGap is how much later the other direction of an asymmetric heal follows.
const healGap = time.Second

// healsForth and healsBack part the two hosts, both in sight of the client, until both
// hold the address, and let one direction heal before the other. What is measured begins
// with the first.
func (t *trial) healsForth() error { return t.healsUnevenly(t.A, t.B) }
func (t *trial) healsBack() error  { return t.healsUnevenly(t.B, t.A) }

func (t *trial) healsUnevenly(from, to *pair.Node) error {
	first, second := t.deafen(from, to), t.deafen(to, from)
	if err := t.bothAnswer(); err != nil {
		return err
	}
	return t.changeWithin(func() error {
		first()
		t.wait(healGap)
		second()
		return nil
	}, nameA, healLimit)
}

// deafen loses what one host sends the other on every network.
func (t *trial) deafen(from, to *pair.Node) (heal func()) {
	mend := []func(){from.Service.CutTo(to.Service)}
	if from.Other != nil {
		mend = append(mend, from.Other.CutTo(to.Other))
	}
	return func() {
		for _, m := range mend {
			m()
		}
	}
}

// bothAnswer waits until the witness hears both hosts, and then for a while: the cut
// is no news any more, and either may have been the last to tell the client.
func (t *trial) bothAnswer() error {
	for end := time.Now().Add(pair.StepLimit); time.Now().Before(end) && t.ctx.Err() == nil; t.wait(10 * time.Millisecond) {
		now := time.Now()
		spans := t.Witness.Holders(now.Add(-100*time.Millisecond), now)
		if n := len(spans); n > 0 && slices.Equal(spans[n-1].Owners, []string{nameA, nameB}) {
			t.wait(time.Second + rand.N(time.Second))
			return nil
		}
	}
	return fmt.Errorf("not both answered within %v of the cut", pair.StepLimit)
}
