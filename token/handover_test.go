package token

import (
	"testing"
	"time"
)

// An offer is answered by the same until the giver's claims are known whole without it, for
// those of many tokens take several messages; unless this node is not eligible any more.
func TestAnswerOutlastsAPage(t *testing.T) {
	m := New(config(spec("vip:front", 0)), at(0))
	m.Step(at(0), EpochsReserved{HighWater: 1000, OK: true})
	word := func(change func(w *Report)) Report {
		w := idle(m, at(ms))
		w.Claims[0].Phase, w.Claims[0].Epoch, w.Claims[0].Seen = Holding, 1<<8|2, 1<<8|2
		w.Claims[0].Verb, w.Claims[0].To, w.Claims[0].About = Offer, 1, 77
		if change != nil {
			change(&w)
		}
		return w
	}
	says := func(when int, ev Event, verb Verb) {
		t.Helper()
		m.Step(at(ms), ev)
		if c := m.Claims(at(ms), nil)[0]; c.Verb != verb || verb != Silent && (c.To != 2 || c.About != 77) {
			t.Errorf("step %d: says %v of %d to %d, not %v", when, c.Verb, c.About, c.To, verb)
		}
	}
	says(1, word(nil), Accept)
	says(2, word(func(w *Report) { w.Complete, w.Changed, w.Claims = false, false, nil }), Accept)
	says(3, Eligibility{Token: 0, Reasons: LinkDown}, Decline)
	says(4, Eligibility{Token: 0}, Decline) // for good
	says(5, word(func(w *Report) { w.Claims[0].Verb, w.Claims[0].To = Silent, 0 }), Silent)
	says(6, word(nil), Decline)
	says(7, word(func(w *Report) { w.Claims[0].About = 78; w.Claims[0].Verb = Silent }), Silent)
}

// A holder is active as it last said, while the pages of its newest claims come in.
func TestActiveOutlastsAPage(t *testing.T) {
	m := New(config(spec("vip:front", 0)), at(0))
	w := idle(m, at(ms))
	w.Claims[0].Phase, w.Claims[0].Epoch, w.Claims[0].Seen = Holding, 1<<8|2, 1<<8|2
	m.Step(at(ms), w)
	w.Complete, w.Changed, w.Claims = false, false, nil
	if m.Step(at(2*ms), w); m.Active(at(2*ms), 0) != 2 {
		t.Errorf("active is %d while a page is missing", m.Active(at(2*ms), 0))
	}
	if m.Active(at(200*ms), 0) != 0 {
		t.Error("active though silent for a dead time")
	}
}

// What the winner of a conflict demands stands while the loser's claims are not whole, and who
// held is a holder until they say otherwise.
func TestMeetingOutlastsAPage(t *testing.T) {
	m := holder(t, spec("vip:front", 0))
	w := idle(m, at(50*ms))
	w.Claims[0].Phase, w.Claims[0].Epoch, w.Claims[0].Seen, w.Claims[0].Proved = Holding, 3<<8|2, 3<<8|2, true
	says := func(when time.Duration, verb Verb, holders int) {
		t.Helper()
		m.Step(at(when*ms), w)
		if c := m.Claims(at(when*ms), nil)[0]; c.Verb != verb {
			t.Errorf("at %d ms: says %v, not %v", when, c.Verb, verb)
		}
		if _, hold := m.Holder(at(when*ms), 0); hold != holders {
			t.Errorf("at %d ms: %d hold, not %d", when, hold, holders)
		}
		if m.Proved(0, 2) != (holders == 2) {
			t.Errorf("at %d ms: proved %v", when, m.Proved(0, 2))
		}
	}
	says(50, Yield, 2)
	w.Complete, w.Changed, w.Claims = false, false, nil
	says(51, Yield, 2)
	w = idle(m, at(52*ms))
	says(52, Silent, 1)
}
