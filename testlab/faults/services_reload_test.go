package faults

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/testlab/standin"
	"vipd/vipd/control"
)

// A changed configuration adds, removes and changes groups, and leaves what did not
// change alone: the same processes go on.
func TestServicesReload(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.start()
	kept := map[*node][]int{p.a: p.a.pids(dataGroup, standin.DataServer), p.b: p.b.pids(dataGroup, standin.DataServer)}
	from := time.Now()

	const more = `[group.scan]
units = ["exec:FOLDER/standin-rtdb -port 7810"]
auto_failback = false
`
	p.reconfigure(plantConfig + more)
	p.eventually("the new group runs", func() bool { return len(p.a.pids("scan", standin.RTDB))+len(p.b.pids("scan", standin.RTDB)) == 1 })

	writer := p.a.pids(historyGroup, standin.Historian)
	epoch := p.store.Newest().Epoch
	p.reconfigure(strings.Replace(plantConfig, "-page 7804", "-page 7804 -every 7ms", 1) + more)
	p.eventually("the changed one was started anew", func() bool {
		now := p.a.pids(historyGroup, standin.Historian)
		return len(now) == 1 && !slices.Equal(now, writer) && p.a.group(historyGroup).State == control.GroupRunning
	})
	p.writes(p.a)
	if r := p.store.Newest(); r.Epoch != epoch {
		t.Errorf("it writes under epoch %d, before %d", r.Epoch, epoch)
	}

	p.reconfigure(strings.Replace(plantConfig, "-page 7804", "-page 7804 -every 7ms", 1))
	p.eventually("the one that went is stopped", func() bool { return len(p.a.pids("scan", standin.RTDB))+len(p.b.pids("scan", standin.RTDB)) == 0 })

	for n, before := range kept {
		if now := n.pids(dataGroup, standin.DataServer); len(now) != 1 || !slices.Equal(now, before) {
			t.Errorf("the data server of %s is %v, before %v", n.name, now, before)
		}
	}
	p.writes(p.a)
	p.answers(p.a)
	p.silent(p.b, from)
	p.sound()
	p.oneRan()
}

// reconfigure gives both nodes the configuration, while they run.
func (p *plant) reconfigure(config string) {
	p.t.Helper()
	before := p.a.status().ConfigDigest
	for _, n := range []*node{p.a, p.b} {
		n.configure(p.named(strings.TrimPrefix(p.a.name, "hist-a"), config))
		n.signal(syscall.SIGHUP)
	}
	p.eventually("both took it over", func() bool {
		a, b := p.a.status().ConfigDigest, p.b.status().ConfigDigest
		return a == b && a != before
	})
}
