package token

import (
	"iter"
	"time"

	"vipd/heartbeat/clock"
)

// Rule T6: probes go to every host on a network, and each has an answer's price here too. So
// a few tokens speak for all that their holder has there: it renews all or none. They
// take turns, so that one which it gave up meanwhile does not speak for long.
//
//	tokens of one holder ──► requested in this step ──► a sample of them: Probe
//	one of no known holder ─────────────────────────► itself, probeRate a millisecond
const (
	usualSample = 4
	probeRate   = 16 // all probes
)

// holderGroup is the tokens on one network that one peer has, or had.
type holderGroup struct {
	peer    int // its place
	network uint64
}

// probeScheduler are those of one step, and how many there were of late.
type probeScheduler struct {
	requests []probeRequest
	turn     int
	since    clock.Instant
	count    int
}

// probeRequest is the tokens of one holder group that are to be asked for now.
type probeRequest struct {
	holderGroup
	tokens []int
}

// holderGroup returns whom the token is one of: of a node's that it took on silence from, or
// of the only one that said last that it holds.
func (m *Machine) holderGroup(t *state) (c holderGroup, ok bool) {
	c = holderGroup{-1, t.spec.Network}
	if t.phase != Idle {
		c.peer = m.place(t.from)
		return c, c.peer >= 0 && c.network != 0
	}
	for i := range t.claims {
		if !t.counts(i) || !t.claims[i].holds() {
			continue
		}
		if c.peer >= 0 {
			return c, false
		}
		c.peer = i
	}
	return c, c.peer >= 0 && c.network != 0
}

// requestProbe has the network asked for the token, or for others of its holder group, at the end
// of this step. It is false if too much is asked just now; then the machine wakes up
// when there is room.
func (m *Machine) requestProbe(q *query, t *state) bool {
	c, ok := m.holderGroup(t)
	if !ok {
		c = holderGroup{-1 - t.number, 0} // a holder group of its own
	}
	w := m.probes.of(c)
	if len(w.tokens) < m.config.Sample && !m.probeBudget(q) {
		return false
	}
	w.tokens = append(w.tokens, t.number)
	return true
}

// probeBudget counts one more question, if there may be one.
func (m *Machine) probeBudget(q *query) bool {
	asked := &m.probes
	if q.now >= asked.since.Add(time.Millisecond) {
		asked.since, asked.count = q.now, 0
	}
	if asked.count >= probeRate {
		q.check(asked.since.Add(time.Millisecond))
		return false
	}
	asked.count++
	return true
}

func (q *probeScheduler) of(c holderGroup) *probeRequest {
	for i := range q.requests {
		if q.requests[i].holderGroup == c {
			return &q.requests[i]
		}
	}
	q.requests = append(q.requests, probeRequest{holderGroup: c})
	return &q.requests[len(q.requests)-1]
}

// sendProbes sends the probes that this step has requested.
func (m *Machine) sendProbes() {
	q, asked := &m.probes, false
	for _, w := range q.requests {
		n := len(w.tokens)
		for k := range min(n, m.config.Sample) {
			m.do(Probe{Token: w.tokens[(q.turn*m.config.Sample+k)%n]})
			asked = true
		}
	}
	q.requests = q.requests[:0]
	if asked { // not where there was no room for any
		q.turn++
	}
}

// sameNetwork returns the token, and the others that an answer for it speaks of: those on its
// network that are alike.
func (m *Machine) sameNetwork(t *state, alike func(*state) bool) iter.Seq[*state] {
	return func(yield func(*state) bool) {
		if !yield(t) || t.spec.Network == 0 {
			return
		}
		for i := range m.tokens {
			o := &m.tokens[i]
			if o != t && o.spec.Network == t.spec.Network && alike(o) && !yield(o) {
				return
			}
		}
	}
}
