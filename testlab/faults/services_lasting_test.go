package faults

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/standin"
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

// Without Disable Inheritance each side of a total cut runs a historian: the store
// takes the rows of the newer epoch alone, and after the heal one is left.
func TestHistorianBeyondCut(t *testing.T) {
	t.Parallel()
	p := newPlant(t, "attempts = 1", "attempts = 100") // what is refused is not given up
	p.start()
	heal := p.cut()
	both := []string{p.a.name, p.b.name}
	p.eventually("both run the historian", func() bool { return slices.Equal(p.runners[historyGroup].now(), both) })
	p.eventually("the store refuses the older one", func() bool { return len(p.store.History(0).Refused) > 0 })
	from := standin.Now()
	p.eventually("the newer one writes on", func() bool { return p.store.Newest().At > from+100*time.Millisecond })
	if took := p.store.History(from).Tenures(); len(took) != 1 {
		t.Errorf("the store took rows of %v", took)
	}
	heal()
	p.eventually("one is left, and both know", func() bool {
		ran := p.runners[historyGroup].now()
		return len(ran) == 1 && slices.Equal(p.a.holders(history), ran) && slices.Equal(p.b.holders(history), ran)
	})
	p.writes(map[string]*node{p.a.name: p.a, p.b.name: p.b}[p.a.holders(history)[0]])
}
