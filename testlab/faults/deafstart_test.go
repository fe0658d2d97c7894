package faults

import (
	"syscall"
	"testing"
	"time"

	"vipd/vipd/control"
)

// leftToB is a plant in which hist-a's daemon has ended and hist-b holds everything.
func leftToB(t *testing.T) *plant {
	t.Helper()
	p := newPlant(t, lively...)
	p.start()
	p.a.signal(syscall.SIGTERM)
	p.eventually("hist-b writes", func() bool { return p.store.Newest().Node == p.b.name })
	p.eventually("hist-a has ended", func() bool { return !p.a.proc.Alive() })
	return p
}

// A node that starts anew and is not heard by the holder, but hears it, does not take: what
// it hears may be a recording, but the session is one that it knew.
func TestStartUnheardByTheHolder(t *testing.T) {
	t.Parallel()
	p := leftToB(t)
	heal := p.deafen(p.a, p.b)
	p.a.run()
	p.ready(p.a)
	time.Sleep(3 * time.Second) // several waits
	if p.a.said("group:history taking") > 0 || p.a.said("vip:front taking") > 0 {
		t.Error("it took")
	}
	heal()
	p.oneRan()
	p.writes(p.b)
}

// A node that starts anew and can't hear the holder takes after its wait. The holder hears
// it, and must have let go by then: two historians never run.
func TestHolderUnheardByAStart(t *testing.T) {
	t.Parallel()
	p := leftToB(t)
	p.eventually("hist-b misses it", func() bool { return p.b.said(": silent") > 0 })
	heal := p.deafen(p.b, p.a)
	p.a.run()
	p.eventually("hist-a runs the historian", func() bool { return p.a.group(historyGroup).State == control.GroupRunning })
	p.oneRan()
	heal()
}
