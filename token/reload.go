package token

import "vipd/heartbeat/clock"

// reconfigure takes over a new list of tokens. A token that stays keeps its number and its
// state. A token that has gone loses its members, so that it is dropped; its number is free
// for another token once it is idle.
func (m *Machine) reconfigure(now clock.Instant, specs []Spec) {
	for i := range m.tokens {
		if !contains(specs, m.tokens[i].spec.ID) {
			m.tokens[i].spec.Members = nil
		}
	}
	for _, spec := range specs {
		for _, member := range spec.Members {
			m.addPeer(member.Slot, now)
		}
		m.tokens[m.number(now, spec)].spec = spec
	}
	for i := range m.peers {
		m.peers[i].complete = false // until its next report has claims of the new list
	}
	for i := range m.tokens {
		t := &m.tokens[i]
		m.seat(t)
		t.bits = t.applied()
	}
	m.schedule.renew(len(m.tokens), len(m.peers))
}

// number returns the number of the token, a free or a new one if it has none.
func (m *Machine) number(now clock.Instant, spec Spec) int {
	free := -1
	for i := range m.tokens {
		t := &m.tokens[i]
		if t.spec.ID == spec.ID {
			return i
		}
		if t.spec.Members == nil && t.phase == Idle && !t.record.Promised {
			free = i
		}
	}
	fresh := m.fresh(spec, now)
	fresh.number = free
	if free < 0 {
		fresh.number = len(m.tokens)
		m.tokens = append(m.tokens, fresh)
		return len(m.tokens) - 1
	}
	fresh.asks = m.tokens[free].asks
	m.tokens[free] = fresh
	return free
}

func contains(specs []Spec, id uint64) bool {
	for i := range specs {
		if specs[i].ID == id {
			return true
		}
	}
	return false
}
