package faults

import (
	"syscall"
	"testing"
	"time"

	"vipd/testlab/standin"
)

// How long it takes, for the reader; nothing is judged but that it comes about.
func TestServiceTimes(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.start()
	moved := func(to *node, from time.Time) time.Duration {
		p.answers(to)
		at, ok := p.probe.Answered(to.name, from)
		if !ok {
			t.Fatalf("%s never answered", to.name)
		}
		return at.Sub(from)
	}
	from := time.Now()
	p.a.strike(dataGroup, standin.DataServer, syscall.SIGKILL)
	t.Logf("death of a process to the first answer of the other host: %v", moved(p.b, from))
	p.ready(p.a)

	from = time.Now()
	p.b.whim(dataGroup, standin.Whims{Sick: true})
	t.Logf("a check that fails to the first answer of the other host: %v, of which three periods of 100 ms", moved(p.a, from))

	p.misborn(standin.Whims{Deaf: true, Child: true})
	from = time.Now()
	p.a.expect(0, "", "group", "stop", historyGroup)
	p.eventually("nothing of the historian is left", func() bool { return p.runners[historyGroup].now() == nil })
	t.Logf("an order to stop to the end of the last process, which ignores SIGTERM for the 500 ms of its grace: %v", time.Since(from))
	p.sound()
	p.oneRan()
}
