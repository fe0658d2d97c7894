package announce

import (
	"net/netip"
	"time"
)

// Announcer decides for one address when it is announced, defended and proved. The zero
// value sends no frame. Each method takes the present time.
type Announcer struct {
	series  schedule
	defence defence
	proof   proof
}

// Take begins the series of a new tenure, whose first frames the total rate spares, and
// the proof.
func (a *Announcer) Take(now time.Time) {
	a.series.take(now)
	a.proof.begin(now)
}

// Begin begins the series of announcements and the proof anew.
func (a *Announcer) Begin(now time.Time) {
	a.series.begin(now)
	a.proof.begin(now)
}

// Claimed notes a claim against which the address is defended as soon as RFC 5227 section
// 2.4 permits.
func (a *Announcer) Claimed(now time.Time) { a.defence.claimed(now) }

// Stop ends all three.
func (a *Announcer) Stop() {
	a.series.stop()
	a.defence.stop()
	a.proof.stop()
}

// StopProof ends the proof alone.
func (a *Announcer) StopProof() { a.proof.stop() }

// Due is when a frame is due next; zero: none is.
func (a *Announcer) Due() time.Time {
	return Earlier(a.series.due, Earlier(a.defence.due, a.proof.due))
}

// Earlier is the earlier of two times, of which zero means never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Postpone puts off what is due by a span of time.
func (a *Announcer) Postpone(now time.Time, by time.Duration) {
	for _, due := range []*time.Time{&a.series.due, &a.defence.due, &a.proof.due} {
		if !due.IsZero() && !now.Before(*due) {
			*due = now.Add(by)
		}
	}
}

// SeriesDue reports whether an announcement of the series is due.
func (a *Announcer) SeriesDue(now time.Time) bool { return a.series.wanted(now) }

// AnnouncementDue reports whether an announcement is due, of the series or in defence.
func (a *Announcer) AnnouncementDue(now time.Time) bool {
	return a.series.wanted(now) || a.defence.wanted(now)
}

// Forms returns which forms of the announcement that is due are sent next: n, at most
// most, from the form first on, of all. If a rate permits none, ok is false and the
// announcement is put off.
func (a *Announcer) Forms(now time.Time, all, most int, limits *Limits) (first, n int, ok bool) {
	first = min(a.series.forms, all)
	n = min(most, all-first)
	if !a.series.room(now, n, &limits.announcements) {
		a.Postpone(now, RateDelay)
		return 0, 0, false
	}
	return first, n, true
}

// Sent notes that n of all forms went out, and reports whether they complete a defence.
func (a *Announcer) Sent(now time.Time, all, n int) (defended bool) {
	if a.series.forms += n; a.series.forms < all {
		return false
	}
	a.series.forms = 0
	if a.series.wanted(now) && a.series.advance(now) {
		a.proof.refresh(now)
	}
	if !a.defence.wanted(now) {
		return false
	}
	a.defence.done(now)
	a.proof.begin(now)
	return true
}

// ProofDue reports whether a step of the proof is due.
func (a *Announcer) ProofDue(now time.Time) bool { return a.proof.wanted(now) }

// ProofBegins reports whether the first step is due: SetNeighbors comes before it.
func (a *Announcer) ProofBegins(now time.Time) bool { return a.proof.wanted(now) && a.proof.step == 0 }

// SetNeighbors says which neighbours are asked. Without any the proof is passive.
func (a *Announcer) SetNeighbors(list []netip.Addr) {
	a.proof.silent, a.proof.passive = list, len(list) == 0
}

// Passive reports whether any packet to the address proves, since no neighbour is asked.
func (a *Announcer) Passive() bool { return a.proof.passive }

// Step is one step of a proof.
type Step struct {
	Over     bool         // the proof ends here
	Silent   []netip.Addr // neighbours that failed anew, when it is over; zero: no packet came
	Ask      []netip.Addr // neighbours to ask from the address; valid until the next call
	Announce bool         // announce in one form as well
	Form     int          // the form, modulo their number
}

// Prove returns the step that is due, within the limits.
func (a *Announcer) Prove(now time.Time, limits *Limits) Step {
	p := &a.proof
	if now.Sub(p.begun) >= ProofTime {
		return Step{Over: true, Silent: p.giveUp()}
	}
	if len(p.silent) > 0 && !limits.questions.take(now, len(p.silent)) {
		p.due = now.Add(RateDelay)
		return Step{}
	}
	disputed := a.defence.disputed(now)
	s := Step{Ask: p.silent, Form: p.step + 1}
	s.Announce = p.step >= FirstWithAnnouncement && !disputed && a.series.room(now, 1, &limits.announcements)
	p.step++
	p.due = p.begun.Add(ProofTime)
	if p.step < len(questions) && !p.passive && !disputed {
		p.due = p.begun.Add(questions[p.step])
	}
	return s
}

// Answered notes the answer of a neighbour. It returns the time since the proof began, and
// whether the answer is news.
func (a *Announcer) Answered(by netip.Addr, now time.Time) (took time.Duration, news bool) {
	begun := a.proof.begun
	news = a.proof.answered(by)
	return now.Sub(begun), news
}

// PacketCame ends a passive proof. It returns what Answered does.
func (a *Announcer) PacketCame(now time.Time) (took time.Duration, news bool) {
	a.proof.passive, a.proof.due = false, time.Time{}
	return now.Sub(a.proof.begun), a.proof.succeeded(netip.Addr{})
}
