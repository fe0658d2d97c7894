package sim

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"vipd/vipd/node"
)

// A machine that leaves out the tokens whose answer can't have changed does, at each step,
// what one does that asks the rules of every token, and wants to wake up at the same
// instant.
func TestSettledTokensChangeNothing(t *testing.T) {
	var group sync.WaitGroup
	var next atomic.Int64
	count := max(*schedules/20, 1)
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for n := next.Add(1); n <= int64(count) && !t.Failed(); n = next.Add(1) {
				playTwins(t, *first+uint64(n), Extras(n%2)*AllExtras)
			}
		})
	}
	group.Wait()
	t.Logf("%d schedules", count)
}

// playTwins plays the seed with a twin of every node.
func playTwins(t *testing.T, seed uint64, on Extras) {
	w := New(Draw(seed, on))
	w.twin = &twins{of: map[*Host]*node.Machine{}, fail: func(f string, a ...any) {
		if w.check.violation == "" {
			t.Errorf("seed %d, extras %v: "+f, append([]any{seed, on}, a...)...)
			w.check.fail("twins differ")
		}
	}}
	w.play()
}
