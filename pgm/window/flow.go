package window

import (
	"time"

	"vipd/pgm/packet"
)

// Progress is what a known receiver says about a session.
type Progress struct {
	Next    packet.Seq // oldest number its application has not had
	Edge    packet.Seq // first number it has no room for
	Unacked int        // numbers before Next that its application has not acknowledged
	Lost    uint64     // numbers it has reported lost so far
}

// Acked is the oldest number its application has not acknowledged.
func (p Progress) Acked() packet.Seq { return p.Next.Add(-p.Unacked) }

// Flow keeps a sender from overrunning receivers it knows. It is no part of
// RFC 3208: the group's packets stay as they are.
type Flow struct {
	size      int           // packets of the transmit window
	limit     time.Duration // a receiver that blocks longer is left behind; 0: never
	receivers []known
	blocked   Instant // since when the sender waits; Never while it does not
	want      int     // for how many packets
}

// known is one receiver.
type known struct {
	Progress
	left  bool
	gone  bool       // removed: it counts for nothing
	stuck packet.Seq // where it was when it was left behind
}

// NewFlow makes the state for n receivers that have said nothing yet. Until a
// receiver does, its whole transmit window is kept for it.
func NewFlow(n int, first packet.Seq, size int, limit time.Duration) *Flow {
	f := &Flow{size: size, limit: limit, receivers: make([]known, n), blocked: Never}
	for i := range f.receivers {
		f.Reset(i, first)
	}
	return f
}

// Add takes one more receiver and returns its index. The window from trail on is kept
// for it until it reports.
func (f *Flow) Add(trail packet.Seq) int {
	f.receivers = append(f.receivers, known{})
	f.Reset(len(f.receivers)-1, trail)
	return len(f.receivers) - 1
}

// Reset forgets what receiver i has said: it has started again, or is back.
func (f *Flow) Reset(i int, trail packet.Seq) {
	f.receivers[i] = known{Progress: Progress{Next: trail, Edge: trail.Add(f.size)}}
}

// Remove waits for receiver i no longer.
func (f *Flow) Remove(i int) { f.receivers[i].gone = true }

// Gone reports whether receiver i was removed.
func (f *Flow) Gone(i int) bool { return f.receivers[i].gone }

// Report takes what receiver i says; trail and next are the transmit window's.
// What was not sent yet, or is older than what it said before, is not
// believed. It reports whether the receiver had been left behind, moves again
// and has caught up to the younger half of the window.
func (f *Flow) Report(i int, p Progress, trail, next packet.Seq) (caughtUp bool) {
	r := &f.receivers[i]
	if r.gone || p.Next.After(next) || p.Next.Before(r.Next) || p.Edge.Before(p.Next) ||
		p.Unacked < 0 || p.Acked().Before(r.Acked()) {
		return false
	}
	r.Progress = p
	if r.left && p.Next.After(r.stuck) && !p.Next.Before(trail) && next.From(p.Next) <= f.size/2 {
		r.left = false
		return true
	}
	return false
}

// Progress returns what receiver i said last, and whether it is left behind.
func (f *Flow) Progress(i int) (Progress, bool) {
	return f.receivers[i].Progress, f.receivers[i].left
}

// Hold is the oldest number a receiver may still need, or has not acknowledged; next is the number the
// sender's next packet gets.
func (f *Flow) Hold(next packet.Seq) packet.Seq {
	hold := next
	for i := range f.receivers {
		if r := &f.receivers[i]; !r.left && !r.gone && r.Acked().Before(hold) {
			hold = r.Acked()
		}
	}
	return hold
}

// Blocked reports whether the sender waits for a receiver.
func (f *Flow) Blocked() bool { return f.blocked != Never }

// MaySend reports whether n packets, numbered from next, may be sent at now.
// It notes since when they may not.
func (f *Flow) MaySend(now Instant, next packet.Seq, n int) bool {
	end := next.Add(n)
	for i := range f.receivers {
		if f.blocks(i, end) {
			f.blocked, f.want = min(f.blocked, now), n
			return false
		}
	}
	f.blocked = Never
	return true
}

// blocks reports whether receiver i has no room before end, or still needs a
// number that end would push out.
func (f *Flow) blocks(i int, end packet.Seq) bool {
	r := &f.receivers[i]
	return !r.left && !r.gone && (end.After(r.Edge) || end.From(r.Acked()) > f.size)
}

// LeaveBehind gives up the receivers that have kept the sender, whose next
// packet gets the number next, waiting for the limit, and returns their
// indices.
func (f *Flow) LeaveBehind(now Instant, next packet.Seq) []int {
	if f.limit == 0 || f.blocked == Never || now.Sub(f.blocked) < f.limit {
		return nil
	}
	var left []int
	for i := range f.receivers {
		if f.blocks(i, next.Add(f.want)) {
			f.receivers[i].left = true
			f.receivers[i].stuck = f.receivers[i].Next
			left = append(left, i)
		}
	}
	f.blocked = Never
	return left
}

// Deadline is when LeaveBehind is to be asked, or Never.
func (f *Flow) Deadline() Instant {
	if f.limit == 0 || f.blocked == Never {
		return Never
	}
	return f.blocked.Add(f.limit)
}
