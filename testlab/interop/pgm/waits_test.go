package pgm

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// waits notes how long the machine kept a source from running when it wanted to:
// each thread of its process, as the kernel counts it, and a canary that sleeps,
// which notices when the whole machine stands still.
type waits struct {
	source atomic.Pointer[string] // its directory below /proc
	ending chan struct{}
	ended  chan struct{}
	once   sync.Once
	all    []waited
}

// waited is one look.
type waited struct {
	at      float64            // seconds since 1970
	threads map[string]float64 // seconds each was kept waiting so far
	canary  float64            // seconds the canary overslept before this look
}

// watchWaits looks every few milliseconds until stop; the source is this process
// until of names another.
func watchWaits(t *testing.T) *waits {
	w := &waits{ending: make(chan struct{}), ended: make(chan struct{})}
	w.of("self")
	w.all = append(w.all, w.look(0))
	go func() {
		defer close(w.ended)
		const nap = 5 * time.Millisecond
		for {
			began := time.Now()
			select {
			case <-w.ending:
				w.all = append(w.all, w.look(0))
				return
			case <-time.After(nap):
				w.all = append(w.all, w.look(time.Since(began)-nap))
			}
		}
	}()
	t.Cleanup(w.stop)
	return w
}

func (w *waits) of(process string) { w.source.Store(&process) }

func (w *waits) stop() {
	w.once.Do(func() { close(w.ending) })
	<-w.ended
}

// look reads the kernel's counts. A thread that ends meanwhile is left out.
func (w *waits) look(overslept time.Duration) waited {
	l := waited{threads: map[string]float64{}, canary: overslept.Seconds()}
	files, _ := filepath.Glob("/proc/" + *w.source.Load() + "/task/*/schedstat") // the pattern is right
	for _, name := range files {
		var ran, kept int64
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if _, err := fmt.Sscan(string(b), &ran, &kept); err == nil {
			l.threads[name] = float64(kept) / 1e9
		}
	}
	l.at = float64(time.Now().UnixNano()) / 1e9
	return l
}

// between is the longest that one thread, or the canary, was kept waiting
// between two moments, as the looks around them tell; never more than lies
// between them.
func (w *waits) between(from, to float64) float64 {
	first, last := 0, len(w.all)-1
	for first < last && w.all[first+1].at <= from {
		first++
	}
	for last > first && w.all[last-1].at >= to {
		last--
	}
	longest := 0.0
	for name, kept := range w.all[last].threads {
		longest = max(longest, kept-w.all[first].threads[name])
	}
	for _, l := range w.all[first+1 : last+1] {
		longest = max(longest, l.canary)
	}
	return min(longest, to-from)
}
