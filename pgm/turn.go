package pgm

import (
	"time"

	"vipd/pgm/window"
)

// idle is how long the sender must have been quiet for messages to be written
// by their own callers at once; a busy sender gathers a batch instead. It is
// some times what a program in a hurry takes from one message to the next, and
// less than the sender's goroutine takes to wake.
const idle = 40 * time.Microsecond

// promptMessages is how many messages in a row are written at once after the
// sender was quiet: a few, as paced programs that are late catch up.
const promptMessages = 8

// maxUnsent is how many packets may wait for a writer, so that a message waits
// for few others.
const maxUnsent = 256

// batchPackets is how many packets make a batch worth writing by the caller.
const batchPackets = 64

// dueNow reports whether the caller, who has pushed count packets, is to write
// what waits.
func (s *Sender) dueNow(now window.Instant, count int) bool {
	n := s.w.Next().From(s.unsent)
	if now.Sub(s.idleAt) > idle {
		s.promptWrites = promptMessages
	}
	if n > count {
		s.promptWrites = 0 // others wait already: a batch grows
	}
	if s.promptWrites > 0 {
		s.promptWrites--
		return true
	}
	full := n >= min(batchPackets, s.o.Window/2+1)
	s.full = s.full || full
	return full
}

// standBack leaves writing to callers that write full batches themselves, until
// they stop: to take what they have just begun makes many small batches of few
// full ones.
func (s *Sender) standBack() {
	const look, looks = 200 * time.Microsecond, 10 // and then tick may be due
	for range looks {
		s.mu.Lock()
		busy := s.full
		s.full = false
		s.mu.Unlock()
		if !busy {
			return
		}
		time.Sleep(look)
	}
}
