package faults

import (
	"bytes"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// runners watches which hosts run a service group, by the events of its control group
// on each: nothing there can hide a process that was left.
//
// Each look asks every host twice, one after the other, and counts who ran it both
// times: a group that just moved is not seen in two places.
type runners struct {
	group string

	mu    sync.Mutex
	hosts []*rig.Host
	spans []rig.Span
}

// lookEvery is the interval of the looks.
const lookEvery = 2 * time.Millisecond

// watchRunners looks until the test ends.
func watchRunners(t *testing.T, group string, nodes ...*node) *runners {
	t.Helper()
	w := &runners{group: group}
	for _, n := range nodes {
		w.hosts = append(w.hosts, n.host)
	}
	ended := make(chan struct{})
	var run sync.WaitGroup
	eyes := make([]eye, len(nodes))
	run.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				for i := range eyes {
					eyes[i].close()
				}
				return
			case at := <-tick.C:
				w.note(at, w.look(eyes))
			}
		}
	})
	t.Cleanup(func() { close(ended); run.Wait() })
	return w
}

func (w *runners) look(eyes []eye) (names []string) {
	w.mu.Lock()
	hosts := slices.Clone(w.hosts)
	w.mu.Unlock()
	var ran [2][]bool
	for turn := range ran {
		for i, h := range hosts {
			ran[turn] = append(ran[turn], eyes[i].sees(h.Path("/sys/fs/cgroup/vipd/"+w.group+"/cgroup.events")))
		}
	}
	for i, h := range hosts {
		if ran[0][i] && ran[1][i] {
			names = append(names, h.Name())
		}
	}
	return names
}

// follow takes the newest boot of a host for the one of its name.
func (w *runners) follow(host *rig.Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, h := range w.hosts {
		if h.Name() == host.Name() {
			w.hosts[i] = host
		}
	}
}

func (w *runners) note(at time.Time, names []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.spans) - 1
	if last >= 0 {
		w.spans[last].To = at
	}
	if last < 0 || !slices.Equal(w.spans[last].Owners, names) {
		w.spans = append(w.spans, rig.Span{From: at, To: at, Owners: names})
	}
}

// all is who ran it when.
func (w *runners) all() []rig.Span {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.spans)
}

// now is who ran it at the newest look.
func (w *runners) now() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.spans) == 0 {
		return nil
	}
	return w.spans[len(w.spans)-1].Owners
}

// together is the longest time in which two or more ran it; a single look counts as a
// nanosecond at least.
func (w *runners) together() (longest time.Duration) {
	for _, s := range w.all() {
		if len(s.Owners) > 1 {
			longest = max(longest, s.To.Sub(s.From), 1)
		}
	}
	return longest
}

// eye looks at one control group's events, whose file it keeps open.
type eye struct {
	path string
	file *os.File
	text [256]byte
}

// sees says whether a process is in the control group.
func (e *eye) sees(path string) bool {
	if e.path != path {
		e.close()
	}
	if e.file == nil {
		file, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return false
		}
		e.path, e.file = path, file
	}
	n, err := e.file.ReadAt(e.text[:], 0)
	if n == 0 && err != nil { // the group is gone
		e.close()
		return false
	}
	return bytes.Contains(e.text[:n], []byte("populated 1"))
}

func (e *eye) close() {
	if e.file != nil {
		e.file.Close()
	}
	e.file = nil
}
