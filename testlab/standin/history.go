package standin

import (
	"fmt"
	"slices"
	"time"
)

// History is rows in the order in which the store judged them.
type History struct{ Accepted, Refused []Row }

// Tenure is the time in which one node wrote under one epoch, by the writer's clock.
type Tenure struct {
	Node        string
	Epoch       uint64
	First, Last time.Duration
	Rows        int
}

func (t Tenure) String() string { return fmt.Sprintf("%s epoch %d: %d rows", t.Node, t.Epoch, t.Rows) }

// Tenures lists who wrote, in the order of their first rows.
func (h History) Tenures() (list []Tenure) {
	for _, r := range h.Accepted {
		i := slices.IndexFunc(list, func(t Tenure) bool { return t.Node == r.Node && t.Epoch == r.Epoch })
		if i < 0 {
			i = len(list)
			list = append(list, Tenure{Node: r.Node, Epoch: r.Epoch, First: r.At, Last: r.At})
		}
		t := &list[i]
		t.First, t.Last, t.Rows = min(t.First, r.At), max(t.Last, r.At), t.Rows+1
	}
	return list
}

// Overlap is the longest time in which rows of two nodes were accepted that were
// written beside each other. It should be 0; one row between two of another's is an
// overlap of a nanosecond at least.
func (h History) Overlap() (longest time.Duration) {
	all := h.Tenures()
	for i, a := range all {
		for _, b := range all[i+1:] {
			if from, to := max(a.First, b.First), min(a.Last, b.Last); a.Node != b.Node && from <= to {
				longest = max(longest, to-from, 1)
			}
		}
	}
	return longest
}

// Stood is the longest time between two rows that were accepted one after the other,
// and from the last to the end.
func (h History) Stood(end time.Duration) (longest time.Duration) {
	times := make([]time.Duration, 0, len(h.Accepted)+1)
	for _, r := range h.Accepted {
		times = append(times, r.At)
	}
	times = append(times, end)
	slices.Sort(times)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i]-times[i-1])
	}
	return longest
}

// after is the rows from that time on.
func after(rows []Row, since time.Duration) (list []Row) {
	for _, r := range rows {
		if r.At >= since {
			list = append(list, r)
		}
	}
	return list
}

// Rival is a row that the store refused because its writer lived beside another node's
// with a newer epoch: that one wrote before and after it, or began after this one had.
// A row that was written before and merely arrived late is none, nor is one of a node
// that began when the other had ended: a node that was down doesn't know how far the
// other's numbers have grown.
func (h History) Rival() (Row, bool) {
	all := h.Tenures()
	for _, r := range h.Refused {
		began := h.began(r)
		if slices.ContainsFunc(all, func(t Tenure) bool {
			return t.Node != r.Node && t.Epoch > r.Epoch && t.First < r.At && (r.At <= t.Last || began < t.First)
		}) {
			return r, true
		}
	}
	return Row{}, false
}

// began is when the row's writer wrote its first one under that epoch, accepted or not.
func (h History) began(of Row) time.Duration {
	first := of.At
	for _, rows := range [][]Row{h.Accepted, h.Refused} {
		for _, r := range rows {
			if r.Node == of.Node && r.Epoch == of.Epoch {
				first = min(first, r.At)
			}
		}
	}
	return first
}
