package daemon

import (
	"testing"
	"time"

	"vipd/host/boot"
	"vipd/vipd/node"
)

func newTestInlet(t *testing.T) (*inlet, chan any) {
	events := make(chan any, 4)
	i, err := newInlet(boot.Kernel, events, &inbox{Clocks: boot.Kernel}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.close)
	return i, events
}

// A deadline is a Tick, not before it and hardly after; one that has passed is one at
// once, and one that is moved counts as it is now.
func TestInletDeadline(t *testing.T) {
	i, _ := newTestInlet(t)
	for _, wait := range []time.Duration{3 * time.Millisecond, 0, -time.Second, 500 * time.Microsecond} {
		began := boot.Now()
		deadline := began.Add(wait)
		if ev := i.Next(deadline); ev != (node.Tick{}) {
			t.Fatalf("after %v: %v, want a tick", wait, ev)
		}
		if late := boot.Now().Sub(max(deadline, began)); late < 0 || late > time.Second/2 {
			t.Errorf("%v late", late)
		}
	}
}

// What is told wakes a loop that sleeps, and is found by one that does not.
func TestInletIsRung(t *testing.T) {
	i, events := newTestInlet(t)
	far := boot.Now().Add(10 * time.Second)
	for k := range 1000 {
		go func() { // at once, or when it sleeps
			for k%2 == 0 && !i.asleep.Load() {
				time.Sleep(10 * time.Microsecond)
			}
			events <- k
			i.Ring()
		}()
		if ev := i.Next(far); ev != k {
			t.Fatalf("%v, want %d", ev, k)
		}
	}
}

// A stop ends the wait, whether it comes before or during it.
func TestInletStops(t *testing.T) {
	for _, early := range []bool{true, false} {
		i, _ := newTestInlet(t)
		go func() {
			for !early && !i.asleep.Load() {
				time.Sleep(10 * time.Microsecond)
			}
			i.Stop()
		}()
		if ev := i.Next(boot.Now().Add(10 * time.Second)); ev != nil {
			t.Errorf("early %v: %v", early, ev)
		}
	}
}
