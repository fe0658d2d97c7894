package window

import (
	"time"

	"vipd/pgm/packet"
)

// SendConfig shapes a transmit window.
type SendConfig struct {
	Packets   int           // TXW_SQNS: packets kept for repair, at least 1
	MaxPacket int           // octets of the longest packet
	Keep      time.Duration // TXW_SECS: packets older than this are let go; 0 keeps them until room is needed
	Holdoff   time.Duration // a number repaired this recently is not repaired again
	First     packet.Seq    // number of the first packet
}

// Send is a transmit window (RFC 3208 section 5): the packets sent last, kept
// for repair, and the numbers that wait for one.
type Send struct {
	c           SendConfig
	slots       []sent
	trail, next packet.Seq
	head        int          // index of trail's slot
	asked       []packet.Seq // ring of numbers to repair, each at most once
	askedHead   int
	unheard     packet.Seq // number that was repaired many times, the last one
	unheards    int        // how many were
	askedCount  int
}

// sent is one packet in the window.
type sent struct {
	buf      []byte // the packet; its memory is reused
	at       Instant
	repaired Instant // when it was last repaired
	repairs  int     // how often it was
	asked    bool
}

// chunk is how many slots get their memory at once: a window that is never
// filled never takes its whole size.
const chunk = 64

// NewSend makes an empty window.
func NewSend(c SendConfig) *Send {
	return &Send{c: c, slots: make([]sent, c.Packets), asked: make([]packet.Seq, c.Packets), trail: c.First, next: c.First}
}

// Trail is the oldest number that can be repaired, TXW_TRAIL; in an empty
// window the next to be sent.
func (w *Send) Trail() packet.Seq { return w.trail }

// Lead is the number sent last, TXW_LEAD; in an empty window Trail-1.
func (w *Send) Lead() packet.Seq { return w.next.Add(-1) }

// Next is the number the next packet gets.
func (w *Send) Next() packet.Seq { return w.next }

// index finds a number's slot; the number is at most a window after trail.
func (w *Send) index(s packet.Seq) int {
	return (w.head + s.From(w.trail)) % len(w.slots)
}

func (w *Send) slot(s packet.Seq) *sent { return &w.slots[w.index(s)] }

// release lets the oldest packet go.
func (w *Send) release() {
	w.slots[w.head].asked = false
	w.head = (w.head + 1) % len(w.slots)
	w.trail = w.trail.Add(1)
}

// Buffer returns memory of MaxPacket octets, length 0, for the packet that
// gets the number Next. It belongs to the number that is a window older until
// Push is called.
func (w *Send) Buffer() []byte {
	s := w.slot(w.next)
	if s.buf == nil {
		i := w.index(w.next) / chunk * chunk
		end := min(i+chunk, len(w.slots))
		mem := make([]byte, (end-i)*w.c.MaxPacket)
		for j := i; j < end; j++ {
			n := (j - i) * w.c.MaxPacket
			w.slots[j].buf = mem[n : n : n+w.c.MaxPacket]
		}
	}
	return s.buf[:0]
}

// Push takes the packet numbered Next, built in Buffer, into the window. A
// full window lets its oldest packet go (advance with data, section 5.1).
func (w *Send) Push(now Instant, p []byte) {
	if w.next.From(w.trail) == len(w.slots) {
		w.release()
	}
	s := w.slot(w.next)
	s.buf, s.at, s.repaired, s.repairs, s.asked = p, now, 0, 0, false
	w.next = w.next.Add(1)
}

// Packet returns the ODATA of a number in the window, or nil. It carries the trailing edge
// of now: packets pushed since, and repairs, may have told of a later one than it was
// built with, and the trailing edge never goes back (section 5.1.2).
func (w *Send) Packet(s packet.Seq) []byte {
	if s.Before(w.trail) || !s.Before(w.next) {
		return nil
	}
	b := w.slot(s).buf
	packet.SetTrail(b, w.trail)
	return b
}

// Advance lets packets go that are older than Keep (advance with time, section
// 5.1); the trailing edge does not pass a number that waits for its repair,
// nor hold.
func (w *Send) Advance(now Instant, hold packet.Seq) {
	if w.c.Keep == 0 {
		return
	}
	for w.trail.Before(w.next) && w.trail.Before(hold) {
		s := w.slot(w.trail)
		if s.asked || now.Sub(s.at) < w.c.Keep {
			return
		}
		w.release()
	}
}

// Ask notes that a receiver wants the number again (section 5.3). It reports
// whether the number is in the window and so is to be confirmed by an NCF;
// asking twice repairs once.
func (w *Send) Ask(now Instant, s packet.Seq) bool {
	if s.Before(w.trail) || !s.Before(w.next) {
		return false
	}
	e := w.slot(s)
	if e.asked || e.repaired != 0 && now.Sub(e.repaired) < w.holdoff(e) {
		return true
	}
	e.asked = true
	if w.askedCount == len(w.asked) {
		w.dropStale()
	}
	w.asked[(w.askedHead+w.askedCount)%len(w.asked)] = s
	w.askedCount++
	return true
}

// manyRepairs is how often a packet is repaired before it is doubted that any copy of it
// arrives: at a loss of a third that happens to one packet in forty million.
const manyRepairs = 16

// holdoff is how long a number is not repaired again. For one that was repaired many times
// it doubles up to about a second.
func (w *Send) holdoff(e *sent) time.Duration {
	if e.repairs < manyRepairs {
		return w.c.Holdoff
	}
	return w.c.Holdoff << min(e.repairs-manyRepairs+1, 10)
}

// Unheard returns how many packets were repaired many times, the number of the last one,
// and its octets, 0 when it has left the window.
func (w *Send) Unheard() (count int, number packet.Seq, octets int) {
	if w.unheards > 0 && !w.unheard.Before(w.trail) {
		octets = len(w.slot(w.unheard).buf)
	}
	return w.unheards, w.unheard, octets
}

// dropStale removes numbers whose packets have left the window. As every
// number in the window stands at most once in the ring, this makes room.
func (w *Send) dropStale() {
	kept := 0
	for i := range w.askedCount {
		s := w.asked[(w.askedHead+i)%len(w.asked)]
		if !s.Before(w.trail) {
			w.asked[(w.askedHead+kept)%len(w.asked)] = s
			kept++
		}
	}
	w.askedCount = kept
}

// Repairs is how many numbers wait for a repair, at most.
func (w *Send) Repairs() int { return w.askedCount }

// Repair returns the RDATA of the number that has waited longest, or nil. Its
// memory stays in the window.
func (w *Send) Repair(now Instant) []byte {
	for w.askedCount > 0 {
		s := w.asked[w.askedHead]
		w.askedHead = (w.askedHead + 1) % len(w.asked)
		w.askedCount--
		if s.Before(w.trail) {
			continue // it has left the window meanwhile
		}
		e := w.slot(s)
		e.asked, e.repaired = false, now
		if e.repairs++; e.repairs == manyRepairs {
			w.unheard = s
			w.unheards++
		}
		packet.Repair(e.buf, w.trail)
		return e.buf
	}
	return nil
}

// Pinned reports whether a Push now would let a packet go that waits for its
// repair: repairs should be sent first.
func (w *Send) Pinned() bool {
	return w.next.From(w.trail) == len(w.slots) && w.slots[w.head].asked
}
