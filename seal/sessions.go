package seal

import (
	"crypto/cipher"
	"slices"
)

// Bounds of what is remembered of one sender.
const (
	maxRetired = 8 // sessions that were retired by name
	maxOdd     = 4 // pending sessions that their start does not rank
)

// session is what an Opener knows of one session of a sender. It exists only
// once a datagram of it has opened.
type session struct {
	id     uint64
	start  uint64
	aead   [MaxKeys]cipher.AEAD // by the key's place in the ring; nil: not derived yet
	window window
}

// sessions are those of one sender: the confirmed one, those that have opened
// and are not confirmed, and those that are over.
//
//	datagram opens --> pending --Confirm--> live --Confirm of another--> over
//	                      |
//	                      +-- over as soon as a session with a greater start opens
//
// Of the pending sessions the one with the greatest start is kept. A session
// with a lower one is refused, so that recordings can't displace each other in
// turns and be opened again and again. A start of 0 has no rank, and an equal
// one no order: such sessions have a few places of their own, and the one that
// was not heard for the longest time makes room.
type sessions struct {
	bar     uint64 // the greatest start of a confirmed session, ever
	live    *session
	pending *session
	odd     []*session // the one heard last is the last
	retired []uint64   // the oldest first
}

// least is the start under which a session is refused.
func (s *sessions) least() uint64 {
	if s.pending != nil {
		return max(s.bar, s.pending.start)
	}
	return s.bar
}

// find returns the session, or nil.
func (s *sessions) find(id, start uint64) *session {
	for _, known := range [...]*session{s.live, s.pending} {
		if known != nil && known.id == id && known.start == start {
			return known
		}
	}
	for _, known := range s.odd {
		if known.id == id && known.start == start {
			return known
		}
	}
	return nil
}

// refuses returns why a session that is not known is refused by its name alone,
// or 0.
func (s *sessions) refuses(id, start uint64) Refusal {
	switch {
	case slices.Contains(s.retired, id):
		return ErrRetired
	case start != 0 && start < s.least():
		return ErrOldStart
	}
	return 0
}

// add remembers a session that has opened for the first time.
func (s *sessions) add(known *session) {
	switch {
	case known.start > s.least():
		s.pending = known
		s.odd = slices.DeleteFunc(s.odd, func(odd *session) bool { return odd.start != 0 })
	case known.start == s.bar && known.start != 0 && s.live == nil && s.pending == nil:
		s.pending = known
	default:
		if len(s.odd) == maxOdd {
			s.odd = slices.Delete(s.odd, 0, 1)
		}
		s.odd = append(s.odd, known)
	}
}

// touch notes that a session was heard.
func (s *sessions) touch(known *session) {
	if i := slices.Index(s.odd, known); i >= 0 && i < len(s.odd)-1 {
		copy(s.odd[i:], s.odd[i+1:])
		s.odd[len(s.odd)-1] = known
	}
}

// confirm makes the session the live one and retires the one before. Pending
// sessions of a lower start are over. It reports whether the session is known.
func (s *sessions) confirm(id uint64) bool {
	if s.live != nil && s.live.id == id {
		return true
	}
	known := s.byID(id)
	if known == nil {
		return false
	}
	if s.live != nil {
		s.retire(s.live.id)
	}
	s.drop(known)
	s.live, s.bar = known, max(s.bar, known.start)
	if s.pending != nil && s.pending.start < s.bar {
		s.pending = nil
	}
	return true
}

// byID returns the session that is not over and has this id, or nil.
func (s *sessions) byID(id uint64) *session {
	for _, known := range s.all() {
		if known.id == id {
			return known
		}
	}
	return nil
}

// drop takes the session out of its place.
func (s *sessions) drop(known *session) {
	if s.live == known {
		s.live = nil
	}
	if s.pending == known {
		s.pending = nil
	}
	s.odd = slices.DeleteFunc(s.odd, func(odd *session) bool { return odd == known })
}

// retire refuses the session from now on.
func (s *sessions) retire(id uint64) {
	if known := s.byID(id); known != nil {
		s.drop(known)
	}
	if slices.Contains(s.retired, id) {
		return
	}
	if len(s.retired) == maxRetired {
		s.retired = slices.Delete(s.retired, 0, 1)
	}
	s.retired = append(s.retired, id)
}

// all returns the sessions that are not over.
func (s *sessions) all() (list []*session) {
	for _, known := range [...]*session{s.live, s.pending} {
		if known != nil {
			list = append(list, known)
		}
	}
	return append(list, s.odd...)
}

// forgetCiphers drops what was derived from a ring that is being replaced.
func (s *sessions) forgetCiphers() {
	for _, known := range s.all() {
		known.aead = [MaxKeys]cipher.AEAD{}
	}
}
