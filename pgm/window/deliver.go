package window

import "vipd/pgm/packet"

// Loss is one hole in a session: a run of numbers between two that were
// handed on. First to Last is Passed+GaveUp+Broken numbers.
type Loss struct {
	First, Last packet.Seq
	Passed      int // the source could not repair them any more
	GaveUp      int // asking for them was given up
	Broken      int // received, but fragments of a message with a hole
}

// Count is how many numbers the hole has.
func (l Loss) Count() int { return l.Passed + l.GaveUp + l.Broken }

// End is the end of a session: a FIN, with everything before it handed on or
// reported, a reset by the source, or its silence.
type End struct {
	Reset  bool
	Code   uint8 // the source's reason for a reset
	Silent bool  // abandoned
	Next   bool  // another life of the source began
}

// Kind is the kind of an Item.
type Kind uint8

// The kinds of items.
const (
	Nothing Kind = iota // nothing can be handed on yet
	Message
	Hole
	Finish
	Restart // the source has begun another life: all that follows is of it
)

// Item is what the window hands on.
type Item struct {
	Kind    Kind
	Message []byte
	First   packet.Seq // number of the message's first packet
	Last    packet.Seq // and of its last
	Loss    Loss
	End     End
}

// Pull returns the next message, hole or end in the session's order, or
// Nothing. Each number comes once, in a message or in a hole, and a hole is
// reported when its end is known, so that there is one report per hole.
func (w *Receive) Pull() Item {
	for w.joined && !w.ended {
		if w.next == w.edge {
			if w.leap() {
				continue
			}
			return w.pullAtEdge()
		}
		s := &w.slots[w.head]
		switch {
		case s.state.lost():
			w.intoHole(s.state)
		case s.state != have:
			return Item{}
		case s.fragment.Length > 0 && s.fragment.First != w.next:
			w.skipFragment(s.fragment.First)
		case s.fragment.Length > 0:
			whole, broken := w.scan()
			if !whole && !broken {
				return Item{}
			}
			if broken {
				w.intoHole(have)
				continue
			}
			if w.hole.Count() > 0 {
				return w.takeHole()
			}
			item := Item{Kind: Message, First: w.next, Last: w.assembled.Add(-1)}
			item.Message = w.assemble()
			return item
		case w.hole.Count() > 0:
			return w.takeHole()
		default:
			item := Item{Kind: Message, Message: s.payload, First: w.next, Last: w.next}
			w.step()
			return item
		}
	}
	return Item{}
}

// step moves past the oldest number.
func (w *Receive) step() {
	if w.slots[w.head].state == have {
		w.stored--
	}
	w.slots[w.head].payload, w.slots[w.head].state = nil, unknown
	w.head++
	if w.head == len(w.slots) {
		w.head = 0
	}
	w.next = w.next.Add(1)
}

// intoHole adds the oldest number to the hole before it.
func (w *Receive) intoHole(st state) {
	if w.hole.Count() == 0 {
		w.hole.First = w.next
	}
	w.hole.Last = w.next
	switch st {
	case passed:
		w.hole.Passed++
	case gaveUp:
		w.hole.GaveUp++
	default:
		w.hole.Broken++
	}
	w.step()
}

// skipFragment drops a fragment whose message's start is gone. A message that
// began before we joined is no loss of ours.
func (w *Receive) skipFragment(first packet.Seq) {
	if first.Before(w.first) && w.hole.Count() == 0 {
		w.step()
		return
	}
	w.intoHole(have)
}

// leap takes the numbers that the source let go before they had a slot into
// the hole at once, however many they are.
func (w *Receive) leap() bool {
	n := w.trail.From(w.next)
	if n <= 0 {
		return false
	}
	if w.hole.Count() == 0 {
		w.hole.First = w.next
	}
	if w.leapAs == gaveUp {
		w.hole.GaveUp += n
	} else {
		w.hole.Passed += n
	}
	w.hole.Last = w.trail.Add(-1)
	w.next, w.edge = w.trail, w.trail
	w.lead = w.lead.Later(w.next.Add(-1))
	return true
}

// pullAtEdge hands on what can be told when nothing after next-1 is known.
func (w *Receive) pullAtEdge() Item {
	over := w.end != nil && w.next.After(w.endLead)
	if w.hole.Count() > 0 && (over || w.settled && w.next.After(w.lead)) {
		return w.takeHole()
	}
	if over {
		w.ended = true
		return Item{Kind: Finish, End: *w.end}
	}
	return Item{}
}

// takeHole hands on the hole.
func (w *Receive) takeHole() Item {
	l := w.hole
	w.hole = Loss{}
	return Item{Kind: Hole, Loss: l}
}

// scan looks whether all fragments of the message that starts at next are
// here, or whether one is lost or contradicts the others. It goes on where the
// last call stopped.
func (w *Receive) scan() (whole, broken bool) {
	f := w.slots[w.head].fragment
	w.assembled = w.assembled.Later(w.next)
	offset := uint32(0)
	if w.assembled != w.next {
		last := &w.slots[w.index(w.assembled.Add(-1))]
		offset = last.fragment.Offset + uint32(len(last.payload))
	}
	for offset < f.Length {
		n := w.assembled.From(w.next)
		if n >= w.c.Packets {
			return false, true // a message larger than the window never gets whole
		}
		if w.assembled == w.edge {
			return false, false
		}
		s := &w.slots[w.index(w.assembled)]
		if s.state.waiting() {
			return false, false
		}
		g := s.fragment
		if s.state != have || g.First != f.First || g.Length != f.Length || g.Offset != offset {
			return false, true
		}
		offset += uint32(len(s.payload))
		w.assembled = w.assembled.Add(1)
	}
	return true, false
}

// assemble copies the message's fragments together and moves past them.
func (w *Receive) assemble() []byte {
	m := make([]byte, 0, w.slots[w.head].fragment.Length)
	for w.next != w.assembled {
		m = append(m, w.slots[w.head].payload...)
		w.step()
	}
	return m
}
