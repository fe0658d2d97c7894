package token

import "vipd/heartbeat/clock"

// Leases renews the leases of many tokens at once, each as a Lease of its own would. It
// is valid until the next Step.
type Leases struct{ List []Lease }

func (*Leases) action() {}

// Tokens that are held and settled, and that the same peers bind, have the same limit. It
// is found once for all of them.
//
//	settled ──share──► sharedLimit ──a message moves it──► Leases
//	   ▲                    │ due, or it runs out
//	   └───── decided ◄─────┘
type sharedLimit struct {
	by     binding
	limit  clock.Instant // as last told
	leases Leases
	stale  bool // the list is to be made anew
}

// binding is how the peers bind a token, one bit each by their place: those that let it
// live until L after their echo, and of them those that are ineligible.
type binding struct{ peers, unfit uint64 }

// sharedLimits has the limits that tokens share.
type sharedLimits struct {
	limits []*sharedLimit
	of     []int // by token: its place in limits, or own
}

// unshared is for a token that shares its limit with no other.
const unshared = -1

// share has the token, which was just decided, share its limit, and reports whether it can.
func (m *Machine) share(q *query, i int) bool {
	t := &m.tokens[i]
	if t.phase == Idle || t.phase == Dropping || t.bits&AllowMultiple != 0 || m.config.DecideAll {
		return false
	}
	by, ok := m.binding(t)
	if !ok || !t.settled() {
		q.again = true
		return false
	}
	place, with := m.schedule.shared.find(by)
	if with.stale && len(with.leases.List) == 0 {
		with.limit = t.lease.limit
	}
	if with.limit != t.lease.limit {
		q.again = true
		return false
	}
	m.schedule.shared.of[i], with.stale = place, true
	return true
}

// find returns the limit of the tokens that are bound so.
func (s *sharedLimits) find(by binding) (place int, with *sharedLimit) {
	for i, with := range s.limits {
		if with.by == by {
			return i, with
		}
	}
	with = &sharedLimit{by: by, stale: true}
	s.limits = append(s.limits, with)
	return len(s.limits) - 1, with
}

// binding is not ok if the token has a limit of its own: a peer stands to it as it does
// to no other, or the lease was adopted.
func (m *Machine) binding(t *state) (by binding, ok bool) {
	for i := range m.peers {
		p, v := &m.peers[i], &t.claims[i]
		switch {
		case !t.counts(i) || t.waitsForReport(i):
			continue
		case i >= 64, !p.link.silent && (v.holds() || v.grace > p.link.boundUntil):
			return by, false
		}
		by.peers |= 1 << i
		if v.ineligibleSince != 0 {
			by.unfit |= 1 << i
		}
	}
	return by, true
}

// unshare gives the token its limit back.
func (m *Machine) unshare(i int) {
	s := &m.schedule.shared
	if s.of[i] != unshared {
		with := s.limits[s.of[i]]
		m.tokens[i].lease.limit, with.stale, s.of[i] = with.limit, true, unshared
	}
}

// limitOf returns the token's limit as last told.
func (m *Machine) limitOf(i int) clock.Instant {
	if s := &m.schedule.shared; i < len(s.of) && s.of[i] != unshared {
		return s.limits[s.of[i]].limit
	}
	return m.tokens[i].lease.limit
}

// renewShared tells the shared limits that have moved. Where such a lease has run out, or
// is about to, its tokens are due.
func (m *Machine) renewShared(q *query) {
	m.listShared()
	for _, with := range m.schedule.shared.limits {
		list := with.leases.List
		if len(list) == 0 {
			continue
		}
		switch limit := m.leaseLimit(q, &m.tokens[list[0].Token]); {
		case q.now >= with.limit || q.reached(limit):
			for i := range list {
				m.due(list[i].Token)
			}
		case limit != with.limit:
			with.limit = limit
			for i := range list {
				list[i].Limit = limit
			}
			m.do(&with.leases)
		}
	}
}

// listShared makes the lists anew that are stale.
func (m *Machine) listShared() {
	s, stale := &m.schedule.shared, false
	for _, with := range s.limits {
		if with.stale {
			with.leases.List, stale = with.leases.List[:0], true
		}
	}
	if !stale {
		return
	}
	for i, place := range s.of {
		if place != unshared && s.limits[place].stale {
			with := s.limits[place]
			with.leases.List = append(with.leases.List, Lease{Token: i, Limit: with.limit, Epoch: m.tokens[i].epoch})
		}
	}
	for _, with := range s.limits {
		with.stale = false
	}
}
