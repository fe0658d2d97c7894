package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"vipd/testlab/rig"
	"vipd/testlab/standin"
	"vipd/vipd/control"
)

// loops are the laboratories in which random faults befall at a time.
const loops = 4

// strikes is how many faults there are in all.
func strikes() int {
	switch {
	case os.Getenv("VIPD_LONG") != "":
		return 1000
	case os.Getenv("VIPD_TEST_REQUIRE") != "":
		return 100
	}
	return 20
}

// lively is the pace of plants that are hurt again and again: nothing is given up.
var lively = []string{
	`interval = "200ms"`, `interval = "100ms"`,
	"attempts = 1", "attempts = 100",
	`stop_timeout = "500ms"`, `stop_timeout = "100ms"`,
}

// Faults at random, each in the middle of the last one's end: never do two historians
// write, or live, at a time, and when all is well again one writes.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	for lane := range uint64(loops) {
		t.Run(fmt.Sprintf("seed %d,%d", seed, lane), func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, lively...)
			p.start()
			c := chaos{plant: p, random: rand.New(rand.NewPCG(seed, lane))}
			for range strikes() / loops {
				c.strike()
			}
			c.mend()
			from := standin.Now()
			p.eventually("somebody writes in the end", func() bool { return p.store.Newest().At > from })
			p.writes(map[string]*node{p.a.name: p.a, p.b.name: p.b}[p.store.Newest().Node])
			p.sound()
			p.oneRan()
			h := p.store.History(0)
			t.Logf("%d tenures, %d rows, overlap %v, %d rows came late", len(h.Tenures()), len(h.Accepted), h.Overlap(), len(h.Refused))
		})
	}
}

// chaos hurts a plant at random, by a seed.
type chaos struct {
	*plant
	random *rand.Rand
	heal   []func()
	dark   []*node // without power
	muted  *node   // is heard no more
	unmute func()
	ending []*rig.Proc // daemons that were told to stop
}

// faults are what befalls, by name.
var faults = []struct {
	name string
	do   func(*chaos, *node)
}{
	{"historian killed", func(c *chaos, n *node) { c.signalAll(n, standin.Historian, syscall.SIGKILL) }},
	{"historian hung", func(c *chaos, n *node) { c.signalAll(n, standin.Historian, syscall.SIGSTOP) }},
	{"data server killed", func(c *chaos, n *node) { c.signalAll(n, standin.DataServer, syscall.SIGKILL) }},
	{"daemon killed", func(c *chaos, n *node) { n.proc.Signal(syscall.SIGKILL) }},
	{"daemon frozen", func(c *chaos, n *node) {
		proc := n.proc
		proc.Signal(syscall.SIGSTOP)
		c.heal = append(c.heal, func() { proc.Signal(syscall.SIGCONT) })
	}},
	{"daemon stopped", func(c *chaos, n *node) {
		n.proc.Signal(syscall.SIGTERM)
		c.ending = append(c.ending, n.proc)
	}},
	{"heard no more", func(c *chaos, n *node) { c.mute(n) }},
	{"power cut", func(c *chaos, n *node) {
		c.lose(n)
		c.dark = append(c.dark, n)
	}},
	{"moved", func(c *chaos, n *node) {
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second) // a frozen daemon never answers
		defer cancel()
		n.control().Move(ctx, control.MoveRequest{Token: history, To: c.other(n).name}) // refused where it can't be
	}},
	{"deaf from now on", func(c *chaos, n *node) { n.whim(historyGroup, standin.Whims{Deaf: true, Child: true}) }},
}

func (c *chaos) other(n *node) *node {
	if n == c.a {
		return c.b
	}
	return c.a
}

func (c *chaos) signalAll(n *node, kind standin.Kind, sig syscall.Signal) {
	for _, group := range []string{dataGroup, historyGroup} {
		for _, pid := range n.pids(group, kind) {
			syscall.Kill(pid, sig) // it may just have ended
		}
	}
}

// mute has the node heard no more. One direction is cut at a time: beyond a cut of both
// each side runs a historian by design, which TestHistorianBeyondCut shows.
func (c *chaos) mute(n *node) {
	c.speak()
	c.muted, c.unmute = n, c.deafen(n, c.other(n))
}

// speak has every node heard again.
func (c *chaos) speak() {
	if c.muted != nil {
		c.unmute()
	}
	c.muted = nil
}

// strike does one fault, and mends what was done before with one chance in two.
func (c *chaos) strike() {
	c.t.Helper()
	if c.random.IntN(2) == 0 {
		c.mend()
	}
	n := []*node{c.a, c.b}[c.random.IntN(2)]
	f := faults[c.random.IntN(len(faults))]
	if slices.Contains(c.dark, n) {
		return
	}
	c.t.Logf("%8.3f s %s: %s", time.Since(c.began).Seconds(), n.name, f.name)
	f.do(c, n)
	time.Sleep(time.Duration(c.random.IntN(1200)) * time.Millisecond)
}

// mend undoes what was done: power, cables, daemons.
func (c *chaos) mend() {
	c.t.Helper()
	for _, heal := range c.heal {
		heal()
	}
	c.heal = nil
	c.speak()
	for _, n := range c.dark {
		c.boot(n)
	}
	c.dark = nil
	for _, proc := range c.ending {
		ctx, cancel := context.WithTimeout(c.t.Context(), limit)
		proc.Wait(ctx) // however it ends
		cancel()
	}
	c.ending = nil
	for _, n := range []*node{c.a, c.b} {
		n.whim(historyGroup, standin.Whims{})
		if !n.proc.Alive() {
			n.run()
		}
	}
}
