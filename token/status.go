package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Status is the knowledge of one token on this node, for status.
type Status struct {
	Spec    Spec
	Phase   Phase
	Epoch   uint64
	Seen    uint64
	Tenure  time.Duration
	Cause   Cause
	Pinned  bool
	Reasons Reason
	Limit   clock.Instant // of the lease
	Moves   int           // failbacks within the hour
	Peers   []PeerStatus
	Blocked *UnprovedAnswer // blocks the take without a proof, or nil
}

// PeerStatus is one other node's claim of the token.
type PeerStatus struct {
	Slot  uint8
	Alive bool
	Claim Claim
}

// Tokens returns how many numbers are in use; the tokens are 0 to Tokens()−1.
func (m *Machine) Tokens() int { return len(m.tokens) }

// Spec returns the token's specification; without members it is gone.
func (m *Machine) Spec(i int) *Spec { return &m.tokens[i].spec }

// LeaseRuns reports whether the token has a lease at now that has not run out.
func (m *Machine) LeaseRuns(now clock.Instant, i int) bool {
	return m.tokens[i].lease.state == running && now < m.limitOf(i)
}

// Phase returns how far this node is with the token.
func (m *Machine) Phase(i int) Phase { return m.tokens[i].phase }

// Pinned reports whether an operator has put the token where it is.
func (m *Machine) Pinned(i int) bool { return m.tokens[i].pinned }

// Status returns the knowledge of the token at now.
func (m *Machine) Status(now clock.Instant, i int) Status {
	t := &m.tokens[i]
	v := Status{Spec: t.spec, Phase: t.phase, Epoch: t.epoch, Seen: t.seen, Tenure: t.tenure(now), Cause: t.cause,
		Pinned: t.pinned, Reasons: t.eligibility, Limit: m.limitOf(i), Moves: len(t.failbacks(now))}
	if a, ok := m.unprovedAnswer(now, t); ok {
		v.Blocked = &a
	}
	for j := range m.peers {
		p := &m.peers[j]
		if t.counts(j) {
			c := t.claims[j].Claim
			if c.holds() {
				c.Tenure += now.Sub(t.claims[j].at) // as it was when it was said
			}
			v.Peers = append(v.Peers, PeerStatus{Slot: p.slot, Alive: m.heardNow(now, p), Claim: c})
		}
	}
	return v
}

// Holder returns the slot of the one heard or own holder whose resource is up,
// and how many hold; 0 if none. While the pages of a peer's newest claims come in, this
// and the next two go by its last ones.
func (m *Machine) Holder(now clock.Instant, i int) (slot uint8, holders int) {
	t := &m.tokens[i]
	if t.phase != Idle {
		slot, holders = m.config.Self, 1
	}
	for j := range m.peers {
		if p := &m.peers[j]; t.claims[j].holds() && m.heardNow(now, p) {
			holders++
			if slot == 0 {
				slot = p.slot
			}
		}
	}
	return slot, holders
}

// Active returns the slot of the node whose resource is up and announced.
func (m *Machine) Active(now clock.Instant, i int) uint8 {
	t := &m.tokens[i]
	if t.phase == Holding {
		return m.config.Self
	}
	for j := range m.peers {
		if p := &m.peers[j]; t.claims[j].Phase == Holding && m.heardNow(now, p) {
			return p.slot
		}
	}
	return 0
}

// Proved reports whether the node's resource is known to a neighbour.
func (m *Machine) Proved(i int, slot uint8) bool {
	if slot == m.config.Self {
		return m.tokens[i].proved
	}
	j := m.place(slot)
	return j >= 0 && m.tokens[i].claims[j].Proved
}

// Acknowledged reports whether every peer that is heard knows the revision.
func (m *Machine) Acknowledged(now clock.Instant, edition uint32) bool {
	for j := range m.peers {
		if p := &m.peers[j]; m.heardNow(now, p) && p.acked < edition {
			return false
		}
	}
	return true
}

// AbsenceAcknowledged (rule H9) reports whether an absence that was announced with the
// revision will be waited for: every node that could take a held token on silence knows the
// revision, by a fresh report that has both ways proven, and no lease is in doubt. A node that
// was not heard may come back at any time, and does not know of the absence.
func (m *Machine) AbsenceAcknowledged(now clock.Instant, edition uint32) bool {
	for i := range m.tokens {
		t := &m.tokens[i]
		if t.lease.state == noLease || t.bits&AllowMultiple != 0 {
			continue
		}
		if _, holders := m.Holder(now, i); t.lease.state == expired || holders > 1 {
			return false
		}
		for j := range m.peers {
			if p := &m.peers[j]; t.counts(j) && !t.waitsForReport(j) && !(p.complete && now < m.at(p, proofOld) && p.acked >= edition) {
				return false
			}
		}
	}
	return true
}

// Idle reports whether every token is idle here.
func (m *Machine) Idle() bool {
	for i := range m.tokens {
		if m.tokens[i].phase != Idle {
			return false
		}
	}
	return true
}

// Link returns the state of the link to the peer.
func (m *Machine) Link(now clock.Instant, slot uint8) LinkState {
	if p := m.peer(slot); p != nil {
		return m.linkState(now, p)
	}
	return SilentBothWays
}

// Listening reports whether the node has not found out yet which peers are there.
func (m *Machine) Listening() bool { return m.listens }

// heardNow is alive without asking to be woken.
func (m *Machine) heardNow(now clock.Instant, p *peer) bool {
	return p.heardEver && now < p.heard.Add(p.absence+m.config.Dead)
}
