package announce

import (
	"net/netip"
	"slices"
	"time"
)

const (
	// ProofTime is when a neighbour that has not answered is given up until the refresh.
	ProofTime = 5 * time.Second
	// FirstWithAnnouncement is the first question that comes with an announcement, of one
	// form: until then the series of announcements is under way.
	FirstWithAnnouncement = 4
)

// Questions is how many questions one proof asks of a neighbour that does not answer.
const Questions = 9

// questions are the times of the questions, counted from the first. A neighbour
// that missed an announcement is asked soon after the next.
var questions = [Questions]time.Duration{
	0, 20 * time.Millisecond, 60 * time.Millisecond, 160 * time.Millisecond, 400 * time.Millisecond,
	900 * time.Millisecond, 1900 * time.Millisecond, 2900 * time.Millisecond, 3900 * time.Millisecond,
}

// proof is the way to the certainty that neighbours know where an address is. They
// are asked from the address itself: whoever sends the answer to our card has our
// card in its cache, and if it had not before, learned it from the question (RFC
// 826, RFC 4861 section 7.2.3).
type proof struct {
	due     time.Time // zero: nothing is under way
	begun   time.Time
	step    int          // of questions
	fresh   bool         // whoever answers is told of
	passive bool         // nobody is there to be asked: any packet to the address proves
	silent  []netip.Addr // who has not answered
	failed  []netip.Addr // who had not when ProofTime was over; zero: nobody to ask
}

// begin proves anew, from now on.
func (p *proof) begin(now time.Time) {
	*p = proof{due: now, begun: now, fresh: true, failed: p.failed}
}

// refresh proves again, and tells only what changed.
func (p *proof) refresh(now time.Time) {
	p.begin(now)
	p.fresh = false
}

func (p *proof) stop() { *p = proof{} }

func (p *proof) wanted(now time.Time) bool { return !p.due.IsZero() && !now.Before(p.due) }

// answered notes that a neighbour knows, and reports whether that is to be told.
func (p *proof) answered(by netip.Addr) (tell bool) {
	i := slices.Index(p.silent, by)
	if i < 0 {
		return false
	}
	p.silent = slices.Delete(p.silent, i, i+1)
	if len(p.silent) == 0 {
		p.due = time.Time{}
	}
	return p.succeeded(by)
}

// succeeded takes a neighbour off the list of those that failed.
func (p *proof) succeeded(by netip.Addr) (tell bool) {
	i := slices.Index(p.failed, by)
	if i >= 0 {
		p.failed = slices.Delete(p.failed, i, i+1)
	}
	return p.fresh || i >= 0
}

// giveUp ends the questions and returns who failed anew.
func (p *proof) giveUp() (news []netip.Addr) {
	missing := p.silent
	if p.passive {
		missing = []netip.Addr{{}}
	}
	for _, a := range missing {
		if p.fresh || !slices.Contains(p.failed, a) {
			news = append(news, a)
		}
	}
	p.failed = missing
	p.due, p.passive, p.silent = time.Time{}, false, nil
	return news
}
