package seal

import (
	"crypto/cipher"
	"slices"
)

// maxRetired is the number of sessions remembered as over, per sender. An older
// one can come back as a newcomer, and stays one: it can't echo our session.
const maxRetired = 8

// session is what an Opener knows of one life of a sender. It exists only once a
// datagram of it has opened.
type session struct {
	id     uint64
	aead   [MaxKeys]cipher.AEAD // by the key's place in the ring; nil: not derived yet
	window window
}

// sessions are the lives of one sender: the confirmed one, the newest that is
// not confirmed, and those that are over.
//
//	datagram opens --> newcomer --Confirm--> live --Confirm of another--> retired
//	                      |
//	                      +-- forgotten when yet another session opens
type sessions struct {
	live     *session
	newcomer *session
	retired  []uint64 // the oldest first
}

// find returns the session with this id, or nil.
func (s *sessions) find(id uint64) *session {
	for _, known := range [...]*session{s.live, s.newcomer} {
		if known != nil && known.id == id {
			return known
		}
	}
	return nil
}

// confirm makes the session the live one and retires the one before. It reports
// whether the session is known.
func (s *sessions) confirm(id uint64) bool {
	known := s.find(id)
	if known == nil || known == s.live {
		return known != nil
	}
	if s.live != nil {
		s.retire(s.live.id)
	}
	s.live, s.newcomer = known, nil
	return true
}

// retire refuses the session from now on.
func (s *sessions) retire(id uint64) {
	switch s.find(id) {
	case nil:
	case s.live:
		s.live = nil
	case s.newcomer:
		s.newcomer = nil
	}
	if slices.Contains(s.retired, id) {
		return
	}
	if len(s.retired) == maxRetired {
		s.retired = slices.Delete(s.retired, 0, 1)
	}
	s.retired = append(s.retired, id)
}

// forgetCiphers drops what was derived from a ring that is being replaced.
func (s *sessions) forgetCiphers() {
	for _, known := range [...]*session{s.live, s.newcomer} {
		if known != nil {
			known.aead = [MaxKeys]cipher.AEAD{}
		}
	}
}
