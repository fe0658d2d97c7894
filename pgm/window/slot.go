package window

import (
	"time"

	"vipd/pgm/packet"
)

// state is where a number in the receive window stands (section 6.3).
type state uint8

const (
	unknown  state = iota
	backOff        // BACK_OFF: waits before asking
	waitNCF        // WAIT_NCF: asked, waits for the confirmation
	waitData       // WAIT_DATA: confirmed, waits for the repair
	have           // received
	passed         // lost: the source can't repair it any more
	gaveUp         // lost: the tries are used up, or its packet was no good
)

// waiting reports whether the number may still come.
func (s state) waiting() bool { return s >= backOff && s <= waitData }

// lost reports whether the number is gone for good.
func (s state) lost() bool { return s >= passed }

// slot is one number of the receive window.
type slot struct {
	payload   []byte
	fragment  packet.Fragment // Length 0: the payload is a whole message
	deadline  Instant
	asked     Instant // when we asked for it first; 0: never
	seq       packet.Seq
	prev      int32 // neighbours in the queue of its state
	next      int32
	state     state
	queue     uint8
	ncfTries  uint8
	dataTries uint8
}

// The queues of waiting numbers, one for each state and try. Within one,
// deadlines are in order, so joining, leaving and finding the earliest take
// constant time.
const (
	queueBackOff = 0
	queueNCF     = 1
	queueData    = queueNCF + doublings + 1
	queues       = queueData + doublings + 1
)

const none = int32(-1)

// queue is a doubly linked list of slot indices.
type queue struct{ first, last int32 }

// join puts slot i at the end of queue q, in state st until deadline, or as
// long as the number before it in the queue if that waits longer.
func (w *Receive) join(i int32, q int, st state, deadline Instant) {
	s := &w.slots[i]
	w.leave(i)
	l := &w.queues[q]
	if l.last != none {
		deadline = max(deadline, w.slots[l.last].deadline)
	}
	s.state, s.queue, s.deadline = st, uint8(q), deadline
	s.prev, s.next = l.last, none
	if l.last == none {
		l.first = i
	} else {
		w.slots[l.last].next = i
	}
	l.last = i
	w.waitingCount++
}

// leave takes slot i out of its queue, if it is in one.
func (w *Receive) leave(i int32) {
	s := &w.slots[i]
	if !s.state.waiting() {
		return
	}
	l := &w.queues[s.queue]
	if s.prev == none {
		l.first = s.next
	} else {
		w.slots[s.prev].next = s.next
	}
	if s.next == none {
		l.last = s.prev
	} else {
		w.slots[s.next].prev = s.prev
	}
	s.state = unknown
	w.waitingCount--
}

// toBackOff makes slot i wait a random time before its NAK. That join keeps
// deadlines in order stays within NAK_BO_IVL, and lets losses that are close in
// time share one NAK.
func (w *Receive) toBackOff(now Instant, i int32) {
	deadline := now
	if w.c.BackOff > 0 {
		deadline = now.Add(1 + time.Duration(w.random()%uint64(w.c.BackOff)))
	}
	w.join(i, queueBackOff, backOff, deadline)
}

// toWaitNCF makes slot i wait for the source's confirmation.
func (w *Receive) toWaitNCF(now Instant, i int32) {
	tries := w.slots[i].ncfTries
	w.join(i, queueNCF+min(int(tries), doublings), waitNCF, now.Add(w.trip.waitFor(tries, w.c.NCFWait)))
}

// toWaitData makes slot i wait for the repair.
func (w *Receive) toWaitData(now Instant, i int32) {
	tries := w.slots[i].dataTries
	w.join(i, queueData+min(int(tries), doublings), waitData, now.Add(w.trip.waitFor(tries, w.c.DataWait)))
}

// random is xorshift64*: good enough to spread receivers.
func (w *Receive) random() uint64 {
	w.seed ^= w.seed >> 12
	w.seed ^= w.seed << 25
	w.seed ^= w.seed >> 27
	return w.seed * 0x2545F4914F6CDD1D
}
