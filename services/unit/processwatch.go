package unit

import (
	"errors"
	"os"
	"time"
)

// watch begins to wait for the end of the main process, and keeps its output
// within bounds meanwhile.
func (p *process) watch(main *mainProcess) {
	r := &run{main: main, ended: make(chan struct{})}
	p.run = r
	go func() {
		defer close(r.ended)
		defer main.close()
		if p.await(main) {
			p.reportEnd(r)
		}
	}()
}

// trimStart is from when on the looks at outputs are counted, alike for every unit.
var trimStart = time.Now()

// await returns true when the process has ended, false when nobody wants to know
// any more.
func (p *process) await(main *mainProcess) bool {
	full := false // of its last error, so that each is told once
	for {
		err := main.wait(trimEvery - time.Since(trimStart)%trimEvery) // together with all others
		if err == nil {
			return true
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			if !errors.Is(err, os.ErrClosed) {
				p.o.Log.Error("its end can't be watched for", "why", err)
			}
			return false
		}
		err = p.out.trim()
		if err != nil && !full {
			p.o.Log.Warn("its output can't be kept within bounds", "why", err)
		}
		full = err != nil
	}
}

// reportEnd tells of the end if nobody asked for it.
func (p *process) reportEnd(r *run) {
	text := r.main.exitText()
	if !r.end() {
		return
	}
	if line := p.out.lastLine(); line != "" {
		text += ": " + line
	}
	p.o.Died(text)
}

// wantEnd notes that the end is wanted, and says whether it is still to come.
func (r *run) wantEnd() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = true
	return !r.died
}

// end notes the end, and says whether it is a death.
func (r *run) end() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.died = true
	return !r.asked
}

// isDead says whether the process has ended.
func (r *run) isDead() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.died
}
