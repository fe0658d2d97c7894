package sharedip

import (
	"testing"
	"time"
	"vipd/sharedip/announce"
)

// What the owner's loop asks for is there at once, whatever is being done for a token.
func TestNoQuestionWaits(t *testing.T) {
	w := newWorld(t, both...)
	w.join("peer", "2")
	w.run()
	w.await("something to be heard", func() bool { return !w.hands.Heard("vip:front").IsZero() })
	w.await("Run to keep the outlook", func() bool { return w.hands.snapshot.Load() != nil })
	w.take("vip:front", 1)
	series := uint64(announce.Repeats * 3) // both forms of one address, the only one of the other
	w.await("the series of the take", func() bool { return w.hands.Counters().Announced == series })
	w.hands.mu.Lock()
	answered := make(chan error)
	go func() {
		_, asked := w.hands.Ask("vip:front")
		w.hands.Announce("vip:front")
		if w.hands.Heard("vip:front").IsZero() {
			t.Error("nothing was heard")
		}
		if err := w.hands.Ready("vip:front"); err != nil {
			t.Error(err)
		}
		answered <- asked
	}()
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Error("a question waits")
	}
	w.hands.mu.Unlock()
	w.await("the series that was asked for", func() bool { return w.hands.Counters().Announced > series })
}
