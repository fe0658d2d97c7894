package services

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// whim is one thing that the token, the operator or the world does.
func (w *world) whim() {
	i := w.rng.IntN(len(w.things))
	switch n := w.rng.IntN(100); {
	case n < 35:
		w.grant(i)
	case n < 50:
		w.revoke(i, w.things[i])
	case n < 75:
		for range 8 {
			w.die(i)
		}
	case n < 80:
		w.step(Restart{i})
	case n < 83:
		w.step(Reset{i})
	case n < 85 && w.things[i].held && w.m.Number(w.things[i].name) == i:
		w.epoch++
		w.step(Grant{i, w.epoch})
	case n < 88:
		w.step(Reconfigure{w.configuration()})
		for i, t := range w.things {
			if t.held && w.m.Number(t.name) != i {
				w.soon(20*time.Second, func() { w.revoke(i, t) })
			}
		}
	case len(w.heard) > 0: // an answer of long ago
		w.step(w.heard[w.rng.IntN(len(w.heard))])
	}
}

// adopt begins with what an earlier run left.
func (w *world) adopt(i int) {
	t := w.things[i]
	e := Adopt{Group: i, Epoch: w.epoch + 1}
	w.epoch++
	for u := range t.spec.Units {
		alive := w.chance(80)
		t.units[u].alive, t.units[u].left = alive, alive || w.chance(50)
		e.Running = append(e.Running, alive)
	}
	t.held = true
	w.step(e)
}

// walk follows whims and faults for a while, then lets all be well, and in the end
// takes everything back.
func walk(t *testing.T, seed uint64, whims int, seen *[Broken + 1]int) {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), now: at(0), faults: true}
	w.laws = newLaws(t, w, fmt.Sprintf("seed %d", seed))
	specs := w.configuration()
	w.m = New(specs, w.now)
	w.configured(specs)
	for i := range w.things {
		if w.chance(20) {
			w.adopt(i)
		}
	}
	for range whims {
		if len(w.things) > 0 {
			w.whim()
		} else {
			w.step(Reconfigure{w.configuration()})
		}
		w.run(w.now.Add(time.Duration(w.rng.Int64N(int64(8 * time.Second)))))
		for i := range w.things {
			seen[w.m.Look(i).State]++
		}
	}
	w.faults = false // from here on hands answer and all is well
	w.run(w.now.Add(40 * time.Minute))
	w.laws.well()
	for i, t := range w.things {
		w.revoke(i, t)
	}
	w.run(w.now.Add(10 * time.Minute))
	w.laws.end()
}

// Thousands of walks, each from its seed.
func TestWalk(t *testing.T) {
	walks := uint64(3000)
	if testing.Short() {
		walks = 300
	}
	var seen [Broken + 1]int
	for seed := range walks {
		walk(t, seed, 60, &seen)
		if t.Failed() {
			return
		}
	}
	for s, n := range seen {
		if n == 0 {
			t.Errorf("no walk came to %v", State(s))
		}
	}
	t.Logf("%d walks; states seen from stopped to failed: %v", walks, seen)
}

func FuzzWalk(f *testing.F) {
	f.Add(uint64(1), uint8(20))
	f.Fuzz(func(t *testing.T, seed uint64, whims uint8) { walk(t, seed, int(whims), new([Broken + 1]int)) })
}
