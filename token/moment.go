package token

import "vipd/heartbeat/clock"

// moment names an instant that every word of a peer moves, and that rules of many tokens
// ask for. So their deadlines need no new question when it moves.
type moment uint8

// The moments.
const (
	notAlive      moment = iota // not heard for D
	silent                      // has said nothing of itself for D
	silentOrderly               // the same, for what goes down in order
	early                       // the network is to be asked, for W is near
	earlyOrderly
	moments
)

// at returns when the peer's moment comes if no more words do.
func (m *Machine) at(p *peer, k moment) clock.Instant {
	switch k {
	case notAlive:
		return p.heard.Add(p.hold + m.config.Dead)
	case silent, silentOrderly:
		return p.silentAt(k == silentOrderly, m.config.Dead)
	}
	return p.silentAt(k == earlyOrderly, max(m.config.Dead, p.dead)).Add(-m.askAhead())
}

// came reports whether the moment is past; if not, the machine wakes up for it.
func (m *Machine) came(now clock.Instant, p *peer, k moment) bool {
	if !m.settled.asking {
		return m.reached(now, m.at(p, k))
	}
	if now >= m.at(p, k) {
		return true
	}
	m.settled.asks[p.place] |= 1 << k
	return false
}

// countMoments counts what the token's rules have asked for.
func (m *Machine) countMoments(t *state) {
	for i, asks := range m.settled.asks {
		if changed := asks ^ t.asks[i]; changed != 0 {
			for k := range moments {
				if changed>>k&1 != 0 {
					m.settled.asked[i][k] += int(asks>>k&1)*2 - 1
				}
			}
			t.asks[i] = asks
		}
		m.settled.asks[i] = 0
	}
}

// ofSilence is one of two moments, by how the token goes down.
func (t *state) ofSilence(usual, orderly moment) moment {
	if t.spec.Orderly {
		return orderly
	}
	return usual
}
