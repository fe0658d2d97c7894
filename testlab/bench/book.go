package main

import (
	"math"
	"slices"
	"time"
)

// stalledFrom is the client's own stall, in ms, from which a repetition is marked.
const stalledFrom = 5

// notMeasured is the failure of a scenario that came out without one of its figures.
const notMeasured = "not measured"

// book is everything that was measured.
type book struct {
	Repetitions int       `json:"repetitions"`
	Began       time.Time `json:"began"`
	Rows        []*row    `json:"rows"`
}

// row is one figure of one scenario and subject.
type row struct {
	Scenario string    `json:"scenario"`
	What     string    `json:"what"`
	Figure   string    `json:"figure"`
	Unit     string    `json:"unit,omitempty"`
	Subject  string    `json:"subject"`
	Values   []float64 `json:"values"`
	Stalls   []float64 `json:"client_stalls_ms"` // one for each value
	Failures []string  `json:"failures,omitempty"`
	Goal     *float64  `json:"goal,omitempty"`
	Worst    bool      `json:"goal_is_for_the_worst,omitempty"`
}

func newBook(repetitions int) *book {
	return &book{Repetitions: repetitions, Began: time.Now(), Rows: []*row{}}
}

// enter adds one repetition, or why it failed.
func (b *book) enter(s scenario, who subject, got values, err error) {
	for _, f := range s.figures {
		r := b.row(s, who, f)
		value, measured := got[f.name]
		switch {
		case err != nil:
			r.Failures = append(r.Failures, err.Error())
			continue
		case !measured:
			r.Failures = append(r.Failures, notMeasured)
			continue
		}
		r.Values = append(r.Values, value)
		r.Stalls = append(r.Stalls, got[stallKey])
	}
}

// row finds the row, or begins it.
func (b *book) row(s scenario, who subject, f figure) *row {
	i := slices.IndexFunc(b.Rows, func(r *row) bool {
		return r.Scenario == s.name && r.Subject == who.name && r.Figure == f.name
	})
	if i >= 0 {
		return b.Rows[i]
	}
	r := &row{
		Scenario: s.name, What: s.title(), Figure: f.name, Unit: f.unit, Subject: who.name,
		Values: []float64{}, Stalls: []float64{}, Worst: f.goal.worst,
	}
	if most, ok := f.goal.of(&who); ok {
		r.Goal = &most
	}
	b.Rows = append(b.Rows, r)
	return r
}

// quantile is the value that the share q of the values does not exceed; the median of
// an even number lies between the middle two. There must be a value.
func quantile(list []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	n := len(sorted)
	if q == 0.5 && n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[max(int(math.Ceil(q*float64(n))), 1)-1]
}

// stalled counts the repetitions in which the client itself was held up.
func (r *row) stalled() (n int) {
	for _, s := range r.Stalls {
		if s > stalledFrom {
			n++
		}
	}
	return n
}

// judged is the figure that the goal is for.
func (r *row) judged() float64 {
	if r.Worst {
		return slices.Max(r.Values)
	}
	return quantile(r.Values, 0.5)
}
