package faults

import (
	"syscall"
	"testing"

	"vipd/vipd/control"
)

// A node that starts anew and can't hear the holder takes after its wait. The holder hears
// it, and must have let go by then: two historians never run.
func TestHolderUnheardByAStart(t *testing.T) {
	t.Parallel()
	p := newPlant(t, lively...)
	p.start()
	p.a.signal(syscall.SIGTERM)
	p.eventually("hist-b writes", func() bool { return p.store.Newest().Node == p.b.name })
	p.eventually("hist-a has ended", func() bool { return !p.a.proc.Alive() })
	p.eventually("hist-b misses it", func() bool { return p.b.said(": silent") > 0 })
	heal := p.deafen(p.b, p.a)
	p.a.run()
	p.eventually("hist-a runs the historian", func() bool { return p.a.group(historyGroup).State == control.GroupRunning })
	p.oneRan()
	heal()
}
