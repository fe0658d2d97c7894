package announce

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A refresh is silent about what has been proved, and tells what is new.
func TestProofTellsOnlyNews(t *testing.T) {
	now, a, b := time.Unix(1000, 0), netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("2001:db8::254")
	var p proof
	begin := func(begin func(time.Time)) { begin(now); p.silent = []netip.Addr{a, b} }
	begin(p.begin)
	if !p.answered(a) || p.answered(a) {
		t.Error("a first answer is told once")
	}
	if news := p.giveUp(); !slices.Equal(news, []netip.Addr{b}) {
		t.Errorf("failed: %v", news)
	}
	begin(p.refresh)
	if p.answered(a) {
		t.Error("a neighbour that goes on answering was told again")
	}
	if news := p.giveUp(); news != nil {
		t.Errorf("failed once more: %v", news)
	}
	begin(p.refresh)
	if !p.answered(b) {
		t.Error("a neighbour that had failed was not told")
	}
	if p.answered(a); !p.due.IsZero() {
		t.Error("goes on asking when all have answered")
	}
}
