package faults

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// With Disable Inheritance, which a group has unless told otherwise, nobody runs it on
// silence alone: one historian through a total cut, and none after a power cut until
// the host is back.
func TestHistorianThatLasts(t *testing.T) {
	t.Parallel()
	p := newPlant(t, "disable_inheritance = false\n", "")
	p.start()
	heal := p.cut()
	p.eventually("the cut is seen", func() bool { return strings.Contains(p.b.alarms(), "is not heard") })
	time.Sleep(2 * time.Second) // longer than a taker on silence would wait
	if ran := p.runners[historyGroup].now(); !slices.Equal(ran, []string{p.a.name}) {
		t.Errorf("%v run the historian", ran)
	}
	heal()
	p.writes(p.a)
	p.lose(p.a)
	p.eventually("the power cut is seen", func() bool { return strings.Contains(p.b.alarms(), "is not heard") })
	time.Sleep(2 * time.Second)
	if ran := p.runners[historyGroup].now(); len(ran) != 0 {
		t.Errorf("%v run the historian on silence", ran)
	}
	p.boot(p.a)
	p.writes(p.a)
	p.sound()
	p.oneRan()
}
