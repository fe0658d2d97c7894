package rig

import (
	"slices"
	"time"
)

// closeRound files the open round, which the ask sent at that moment ends, and opens
// the next. w.mu is held.
func (w *Witness) closeRound(next time.Time) {
	if !w.opened.IsZero() {
		last := len(w.spans) - 1
		switch {
		case last >= 0 && slices.Equal(w.spans[last].Owners, w.round):
			w.spans[last].To = next
		case len(w.spans) < maxSpans:
			w.spans = append(w.spans, Span{From: w.opened, To: next, Owners: slices.Clone(w.round)})
		}
		for _, owner := range w.round {
			w.last[owner] = w.opened
		}
	}
	w.opened, w.round = next, w.round[:0]
}

// include adds a name to a sorted list, once.
func include(names []string, name string) []string {
	i, found := slices.BinarySearch(names, name)
	if found {
		return names
	}
	return slices.Insert(names, i, name)
}

// Holders is the timeline of who answered between from and to, spans of nobody
// included. A round counts from its ask to the next one, so that every time in it is
// exact to the interval of the asks.
func (w *Witness) Holders(from, to time.Time) []Span {
	w.mu.Lock()
	defer w.mu.Unlock()
	var within []Span
	for _, s := range w.spans {
		if s.To.After(from) && s.From.Before(to) {
			within = append(within, Span{From: later(s.From, from), To: earlier(s.To, to), Owners: s.Owners})
		}
	}
	return within
}

// LastAsked is when the newest ask that the owner answered was sent; zero if it never
// answered any.
func (w *Witness) LastAsked(owner string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[owner]
}

// Dual is the total time between from and to in which two or more owners answered: the
// sum of the rounds that more than one answered.
func (w *Witness) Dual(from, to time.Time) (total time.Duration) {
	for _, s := range w.Holders(from, to) {
		if len(s.Owners) > 1 {
			total += s.To.Sub(s.From)
		}
	}
	return total
}

// Announcements lists, in order, how the address was announced between from and to.
func (w *Witness) Announcements(from, to time.Time) []Announcement {
	w.mu.Lock()
	defer w.mu.Unlock()
	var within []Announcement
	for _, a := range w.announced {
		if !a.At.Before(from) && a.At.Before(to) {
			within = append(within, a)
		}
	}
	return within
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
