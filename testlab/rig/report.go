package rig

import (
	"slices"
	"sort"
	"time"
)

// Report is what a probe saw between two moments.
type Report struct {
	Datagrams   Tally
	Connections Tally
	// Stall is the longest time the probe itself did not ask by datagram, its machine
	// being busy: an outage no longer than this may be the probe's own.
	Stall time.Duration
}

// Tally is the count of one kind of question.
type Tally struct {
	Asked int
	Lost  int // never answered
	// Outage is the longest time in which no answer arrived: from the last answer
	// before it to the first after it, or to the end of the report if there was none.
	// With nothing wrong it is about the interval of the questions.
	Outage time.Duration
	Who    []string // who answered, in the order of their first answers
}

// Report sums up what was asked between from and to. It returns no sooner than answers
// to the last question can have come.
func (p *Probe) Report(from, to time.Time) Report {
	time.Sleep(settling - time.Since(to))
	p.mu.Lock()
	defer p.mu.Unlock()
	begin, end := from.Sub(p.start), to.Sub(p.start)
	first := sort.Search(len(p.sent), func(i int) bool { return p.sent[i] >= begin })
	after := sort.Search(len(p.sent), func(i int) bool { return p.sent[i] >= end })
	asked, answered := p.tried(begin, end)
	return Report{
		Datagrams:   p.datagram.tally(after-first, begin, end),
		Connections: p.stream.tallyOf(asked, asked-answered, begin, end),
		Stall:       longest(p.sent[first:after], begin, end),
	}
}

// Answered is when that host's first answer to a datagram after from arrived; false if
// there is none yet.
func (p *Probe) Answered(who string, from time.Time) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first, _ := p.datagram.bounds(from.Sub(p.start), 0)
	for _, a := range p.datagram[first:] {
		if a.who == who {
			return p.start.Add(a.at), true
		}
	}
	return time.Time{}, false
}

// tried counts the connections begun, and those of them that were answered.
func (p *Probe) tried(begin, end time.Duration) (asked, answered int) {
	for _, t := range p.tries {
		if t.begun < begin || t.begun >= end {
			continue
		}
		asked++
		if t.answered {
			answered++
		}
	}
	return asked, answered
}

// tally counts datagrams: those asked for which no answer is in the record are lost. A
// datagram that was answered twice counts once.
func (r record) tally(asked int, begin, end time.Duration) Tally {
	answered := make(map[time.Duration]bool)
	for _, a := range r {
		if a.sent >= begin && a.sent < end {
			answered[a.sent] = true
		}
	}
	return r.tallyOf(asked, asked-len(answered), begin, end)
}

func (r record) tallyOf(asked, lost int, begin, end time.Duration) Tally {
	t := Tally{Asked: asked, Lost: lost, Outage: r.gap(begin, end)}
	for _, a := range r.within(begin, end) {
		if !slices.Contains(t.Who, a.who) {
			t.Who = append(t.Who, a.who)
		}
	}
	return t
}

// gap is the longest time without an answer of which some lies between begin and end.
// It begins with the last answer before begin, if there is one, and stops at end.
func (r record) gap(begin, end time.Duration) time.Duration {
	first, after := r.bounds(begin, end)
	arrivals := make([]time.Duration, 0, after-first)
	for _, a := range r[first:after] {
		arrivals = append(arrivals, a.at)
	}
	if first > 0 {
		begin = r[first-1].at
	}
	return longest(arrivals, begin, end)
}

// longest is the longest step from begin over all moments to end.
func longest(moments []time.Duration, begin, end time.Duration) (step time.Duration) {
	for _, m := range moments {
		step = max(step, m-begin)
		begin = m
	}
	return max(step, end-begin)
}

// only says whether the record has answers in that time, all by one host.
func (r record) only(who string, begin, end time.Duration) bool {
	answers := r.within(begin, end)
	return len(answers) > 0 && !slices.ContainsFunc(answers, func(a answer) bool { return a.who != who })
}

// within is the answers that arrived in that time.
func (r record) within(begin, end time.Duration) record {
	first, after := r.bounds(begin, end)
	return r[first:after]
}

func (r record) bounds(begin, end time.Duration) (first, after int) {
	first = sort.Search(len(r), func(i int) bool { return r[i].at >= begin })
	after = sort.Search(len(r), func(i int) bool { return r[i].at >= end })
	return first, after
}
