package token

import (
	"iter"
	"time"

	"vipd/heartbeat/clock"
)

// Rule T6: questions go to everybody on a network, and each has an answer's price here too. So
// a few tokens speak for all that their holder has there: it renews all or none. They
// take turns, so that one which it gave up meanwhile does not speak for long.
//
//	tokens of one holder ──► wanted in this step ──► a sample of them: Ask
//	one of no known holder ─────────────────────────► itself, askRate a millisecond
const (
	usualSample = 4
	askRate     = 16 // all questions
)

// crowd is the tokens on one network that one peer has, or had.
type crowd struct {
	peer    int // its place
	network uint64
}

// questions are those of one step, and how many there were of late.
type questions struct {
	wanted []wanted
	turn   int
	since  clock.Instant
	count  int
}

// wanted is the tokens of one crowd that are to be asked for now.
type wanted struct {
	crowd
	tokens []int
}

// crowd returns whom the token is one of: of a node's that it took on silence from, or
// of the only one that said last that it holds.
func (m *Machine) crowd(t *state) (c crowd, ok bool) {
	c = crowd{-1, t.spec.Network}
	if t.phase != Idle {
		c.peer = m.place(t.from)
		return c, c.peer >= 0 && c.network != 0
	}
	for i := range t.views {
		if !t.counts(i) || !t.views[i].holds() {
			continue
		}
		if c.peer >= 0 {
			return c, false
		}
		c.peer = i
	}
	return c, c.peer >= 0 && c.network != 0
}

// question has the network asked for the token, or for others of its crowd, at the end
// of this step. It is false if too much is asked just now; then the machine wakes up
// when there is room.
func (m *Machine) question(q *query, t *state) bool {
	c, ok := m.crowd(t)
	if !ok {
		c = crowd{-1 - t.number, 0} // a crowd of its own
	}
	w := m.questions.of(c)
	if len(w.tokens) < m.config.Sample && !m.room(q) {
		return false
	}
	w.tokens = append(w.tokens, t.number)
	return true
}

// room counts one more question, if there may be one.
func (m *Machine) room(q *query) bool {
	asked := &m.questions
	if q.now >= asked.since.Add(time.Millisecond) {
		asked.since, asked.count = q.now, 0
	}
	if asked.count >= askRate {
		q.check(asked.since.Add(time.Millisecond))
		return false
	}
	asked.count++
	return true
}

func (q *questions) of(c crowd) *wanted {
	for i := range q.wanted {
		if q.wanted[i].crowd == c {
			return &q.wanted[i]
		}
	}
	q.wanted = append(q.wanted, wanted{crowd: c})
	return &q.wanted[len(q.wanted)-1]
}

// ask asks what this step has found to be asked.
func (m *Machine) ask() {
	q, asked := &m.questions, false
	for _, w := range q.wanted {
		n := len(w.tokens)
		for k := range min(n, m.config.Sample) {
			m.do(Ask{Token: w.tokens[(q.turn*m.config.Sample+k)%n]})
			asked = true
		}
	}
	q.wanted = q.wanted[:0]
	if asked { // not where there was no room for any
		q.turn++
	}
}

// alike returns the token, and the others that an answer for it speaks of: those on its
// network that are alike.
func (m *Machine) alike(t *state, alike func(*state) bool) iter.Seq[*state] {
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
