package clock

import "time"

// Limits of the clock check (design: peers must stay within one second).
const (
	Warn   = 500 * time.Millisecond // from here on an operator is warned
	Limit  = time.Second            // beyond it the verdict is Beyond
	kept   = 8                      // exchanges among which the best is chosen
	expiry = 10 * time.Second       // an older exchange does not count
)

// Verdict compares an estimate with Limit.
type Verdict uint8

// The three verdicts.
const (
	CannotTell Verdict = iota // no exchange yet, or the doubt reaches over the limit
	Within                    // certainly no more than Limit apart
	Beyond                    // certainly more than Limit apart
)

// String returns the word that status shows.
func (v Verdict) String() string {
	return [...]string{"unknown", "within", "beyond"}[v]
}

// Exchange is one question and its answer between two hosts: Sent and Back are
// our wall clock at the send of the question and at the receipt of the answer,
// Received and Answered are the peer's at its receipt and its answer.
type Exchange struct {
	Sent, Received, Answered, Back Wall
}

// Offset returns how far the peer's clock is ahead of ours, and the doubt: the
// truth lies within offset ± doubt for any delays of the two directions.
func (e Exchange) Offset() (offset, doubt time.Duration) {
	offset = (e.Received.Sub(e.Sent) + e.Answered.Sub(e.Back)) / 2
	doubt = (e.Back.Sub(e.Sent) - e.Answered.Sub(e.Received)) / 2
	return offset, max(doubt, 0)
}

// Estimate is a peer's clock against ours.
type Estimate struct {
	Offset time.Duration // positive: the peer is ahead
	Doubt  time.Duration // the truth is within Offset ± Doubt
	Known  bool          // false until an exchange has been seen
}

// Verdict judges the estimate against Limit.
func (e Estimate) Verdict() Verdict {
	off := e.Offset.Abs()
	switch {
	case !e.Known:
		return CannotTell
	case off+e.Doubt <= Limit:
		return Within
	case off-e.Doubt > Limit:
		return Beyond
	}
	return CannotTell
}

// Estimator keeps the last exchanges with one peer and believes the one with
// the least doubt. The zero value is ready. The first exchange is discarded:
// the kernel stamps the first datagram after enabling stamps too late.
type Estimator struct {
	seen int
	last [kept]sample
}

type sample struct {
	estimate Estimate
	at       Instant
}

// Add takes one exchange that ended at now. An exchange whose offset lies
// outside the bounds of every kept one shows that a clock was stepped: the older
// ones are then forgotten, so that a step is seen at once.
func (e *Estimator) Add(now Instant, x Exchange) {
	e.seen++
	if e.seen == 1 {
		return
	}
	offset, doubt := x.Offset()
	if best := e.At(now); best.Known && (offset-best.Offset).Abs() > doubt+best.Doubt+10*time.Millisecond {
		e.last = [kept]sample{}
	}
	e.last[e.seen%kept] = sample{Estimate{offset, doubt, true}, now}
}

// At returns the estimate with the least doubt among the kept exchanges.
func (e *Estimator) At(now Instant) Estimate {
	var best Estimate
	for _, s := range e.last {
		if s.estimate.Known && now.Sub(s.at) <= expiry && (!best.Known || s.estimate.Doubt < best.Doubt) {
			best = s.estimate
		}
	}
	return best
}
