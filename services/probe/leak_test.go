package probe

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// checks is how many checks the test makes in all.
func checks() int {
	if os.Getenv("VIPD_LONG") != "" {
		return 100_000
	}
	return 20_000
}

// kept is what this process holds that a check could leave behind.
type kept struct{ goroutines, descriptors int }

func holds(t *testing.T) kept {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return kept{runtime.NumGoroutine(), len(files)}
}

// TestChecksLeaveNothing checks servers that answer, refuse, hang and close, many
// at a time and with short timeouts.
func TestChecksLeaveNothing(t *testing.T) {
	const together, short = 64, 2 * time.Millisecond
	kinds := []struct {
		target  string
		timeout time.Duration
		ok      bool
	}{
		{"tcp://" + served(t, "127.0.0.1:0", shut), time.Minute, true},
		{"tcp://" + refused(t), time.Minute, false},
		{"tcp://" + deaf(t), short, false},
		{"http://" + served(t, "127.0.0.1:0", answer) + "/ body=ok", time.Minute, true},
		{"http://" + refused(t) + "/", time.Minute, false},
		{"http://" + served(t, "127.0.0.1:0", hang) + "/", short, false},
		{"http://" + served(t, "127.0.0.1:0", shut) + "/", time.Minute, false},
	}
	run := func(total int) {
		t.Helper()
		before := holds(t)
		var done atomic.Int64
		var workers sync.WaitGroup
		for range together {
			workers.Go(func() {
				for n := int(done.Add(1)); n <= total; n = int(done.Add(1)) {
					k := kinds[n%len(kinds)]
					if ok, text := once(t, k.target, Options{Timeout: k.timeout}); ok != k.ok {
						t.Errorf("%s: %v %q", k.target, ok, text)
						return
					}
				}
			})
		}
		workers.Wait()
		settles(t, before)
	}
	was := debug.SetGCPercent(-1) // the collector closes what was forgotten, and so hides it
	run(50 * len(kinds))
	debug.SetGCPercent(was)
	run(checks())
}

// settles waits until no more is held than before: servers take a while to see
// that the other side has gone.
func settles(t *testing.T, before kept) {
	t.Helper()
	var after kept
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if after = holds(t); after.goroutines <= before.goroutines && after.descriptors <= before.descriptors {
			return
		}
	}
	t.Errorf("before %+v, after %+v", before, after)
}
