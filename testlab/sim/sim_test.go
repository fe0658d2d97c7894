package sim

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seed      = flag.Uint64("seed", 0, "play this one seed and print what happens")
	schedules = flag.Int("schedules", 2000, "how many schedules to play")
	first     = flag.Uint64("first", 1, "the first seed")
)

func TestSchedules(t *testing.T) {
	if *seed != 0 {
		p := Draw(*seed)
		fmt.Print(p.String())
		r := Run(p, func(f string, a ...any) { fmt.Printf("  "+f+"\n", a...) })
		if r.Violation != "" {
			t.Fatalf("seed %d: %s", *seed, r.Violation)
		}
		return
	}
	total, failed := playAll(*first, *schedules)
	t.Logf("%d schedules, %d steps, %v simulated in %v, %d allowed dual answers", *schedules, total.Steps, total.Simulated.Round(time.Second), total.wall.Round(time.Millisecond), total.Coverage.Duals)
	t.Logf("phases %v causes %v verbs %v faults %v", total.Coverage.Phases, total.Coverage.Causes, total.Coverage.Verbs, total.Coverage.Faults)
	for i, r := range failed {
		if i == 10 {
			t.Errorf("and %d more", len(failed)-i)
			break
		}
		t.Errorf("seed %d: %s (replay: go test ./testlab/sim -run Schedules -seed %d)", r.Seed, r.Violation, r.Seed)
	}
}

type totals struct {
	Result
	wall time.Duration
}

func playAll(first uint64, n int) (total totals, failed []Result) {
	var next atomic.Uint64
	var mu sync.Mutex
	var group sync.WaitGroup
	begin := time.Now()
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= uint64(n) {
					return
				}
				r := Run(Draw(first+i), nil)
				mu.Lock()
				total.Steps += r.Steps
				total.Simulated += r.Simulated
				total.Coverage.Add(&r.Coverage)
				if r.Violation != "" {
					failed = append(failed, r)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	total.wall = time.Since(begin)
	return total, failed
}
