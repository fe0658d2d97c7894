package sim

// stampSet is a set of stamps. The counters of one session follow each other, so each
// session has a bit for each.
type stampSet struct{ sessions []sessionStamps }

type sessionStamps struct {
	session uint64
	bits    []uint64
}

// of returns the session's stamps, which the set has from then on.
func (s *stampSet) of(session uint64) *sessionStamps {
	for i := len(s.sessions) - 1; i >= 0; i-- {
		if s.sessions[i].session == session {
			return &s.sessions[i]
		}
	}
	s.sessions = append(s.sessions, sessionStamps{session: session})
	return &s.sessions[len(s.sessions)-1]
}

func (s *stampSet) has(x stamp) bool {
	bits := s.of(x.session).bits
	word := x.counter / 64
	return word < uint64(len(bits)) && bits[word]>>(x.counter%64)&1 != 0
}

func (s *stampSet) add(x stamp) {
	one := s.of(x.session)
	word := x.counter / 64
	for uint64(len(one.bits)) <= word {
		one.bits = append(one.bits, 0)
	}
	one.bits[word] |= 1 << (x.counter % 64)
}
