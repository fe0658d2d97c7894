package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// link is the way to a peer and back, as the holder's half of the rules sees it.
//
//	       no echo for 1.5 I             nothing heard for I/2
//	fresh ───────────────────► querying ───────────────────────► silent
//	 │ ▲                        │    ▲                            │  │
//	 │ └────────── echo ────────┘    └────────── a word ──────────┘  │
//	 │     a session that has not proved itself, unread words        │
//	 └─────────────────────────► pending ◄───────────────────────────┘
//	                                 └── heard no more for 1.2 I ──► silent
//
// All but silent are told apart by how long ago what happened; a peer becomes silent by
// fallSilent alone, and stays so until resume or pend.
type link struct {
	echo           clock.Instant // our newest send that it has echoed in this session
	boundUntil     clock.Instant // while not silent: it lets leases live until here, for it may take after
	silent         bool          // both ways: it binds nothing
	back           clock.Instant // its first word after a silence: from then on it should hear us
	separatedUntil clock.Instant // its first word after it could have taken what we hold
}

// LinkState names how a link is.
type LinkState uint8

// The states of a link.
const (
	Fresh    LinkState = iota // the peer echoes, or its session has just begun
	Querying                  // no echo of late: it is asked, and would answer, or ask itself
	Pending                   // what is heard may be the peer, but is no proof of it
	SilentBothWays
)

// String returns the state in one word.
func (s LinkState) String() string {
	if s > SilentBothWays {
		return "unknown"
	}
	return [...]string{"fresh", "querying", "pending", "silent"}[s]
}

// linkTimes are until when each state of a link lasts without news; where more than one
// would, the first in the order of the states is meant.
type linkTimes [SilentBothWays]clock.Instant

// times returns until when the peer's link is what.
//
// Fresh: it has echoed, or its session began, within 1.5 I. Querying: it has been asked
// every L/20 since 1.2 I. Did it hear us it would have answered; did it not, it would ask
// us as often, and we would hear that; but for its first 1.2 I a new session asks nothing.
// Pending: a session that has not proved itself may be deaf, and is heard at least every
// interval; where this run has not heard the peer yet, it is silent after a dead time, for
// then no more sound of it counts. When the peer has been in trouble for so long that both
// have stopped asking, beats alone count.
func (m *Machine) times(now clock.Instant, p *peer) (until linkTimes) {
	i := m.config.Interval
	patience, deaf := i/2, i*6/5
	if p.heardEver && now.Sub(p.link.echo) > queriedFor {
		patience = i * 6 / 5
	}
	if !p.heardEver && p.pending != 0 {
		deaf = m.config.Dead
	}
	until[Fresh] = max(p.link.echo, p.began).Add(i * 3 / 2)
	until[Querying] = p.heard.Add(patience)
	until[Pending] = max(p.unread.Add(patience), p.pending.Add(deaf))
	return until
}

// queriedFor is less than what a silent peer is asked at full rate.
const queriedFor = 500 * time.Millisecond

// linkState returns the state of the peer's link at now.
func (m *Machine) linkState(now clock.Instant, p *peer) LinkState {
	until := m.times(now, p)
	switch {
	case p.link.silent:
		return SilentBothWays
	case now < until[Fresh]:
		return Fresh
	case now < until[Pending] && max(p.unread, p.pending) > p.heard:
		return Pending
	}
	return Querying
}

// listen finds the peers that have become silent both ways. Each stays so until its next
// word, and binds nothing until then. A peer may have spoken although this node has not
// heard it yet: it ran late, and steps by something else before it reads its sockets. So
// the silence must have been long enough by the step before a Tick, which says that
// nothing was left to read since that step.
func (m *Machine) listen(q *query, tick bool) {
	if q.now > m.stepped {
		m.earlier, m.stepped = m.stepped, q.now
	}
	for i := range m.peers {
		p := &m.peers[i]
		if p.link.silent {
			continue
		}
		until := m.times(q.now, p)
		switch at := max(until[Fresh], until[Querying], until[Pending]); {
		case !q.reached(at):
		case tick && at <= m.earlier:
			p.link.fallSilent()
		default:
			q.check(q.now + 1)
		}
	}
}

// fallSilent (rule H2): the peer has echoed nothing for 1.5 I, and nothing that may be of it was
// heard for as long as it takes to answer. It binds no lease.
func (l *link) fallSilent() { l.silent = true }

// bound returns until when a lease that the peer lets live may be in force: L from now
// if it was renewed alone, else as its echoes had it.
func (l *link) bound(now clock.Instant, lease time.Duration) clock.Instant {
	if l.silent {
		return now.Add(lease)
	}
	return l.boundUntil
}

// echoed (rule H1): the peer has heard what was sent at the instant, so it takes no earlier than D
// from then, and a lease may last L.
func (l *link) echoed(sent clock.Instant, lease time.Duration) {
	l.echo = max(l.echo, sent)
	l.boundUntil = max(l.boundUntil, l.echo.Add(lease))
}

// resume (rule H4) is for a fresh word; it reports whether the peer may have taken since the word
// before. What was renewed alone is void, be it in the past, for the peer may have counted
// from the last send that it heard; unless the silence was so long that it took long ago:
// then the lease stands as it is, and only echoes renew it.
func (l *link) resume(now clock.Instant, long bool, lease time.Duration) (mayHaveTaken bool) {
	if !l.silent {
		return false
	}
	if long {
		l.boundUntil, l.separatedUntil = l.bound(now, lease), now
	}
	l.silent, l.back = false, now
	return long
}

// sessionPending (rule H8) is for a session of the peer that has not proved itself, but began after all that
// have: it has started anew and may not hear us. Then it takes after W, and our lease must
// have ended; and it may hold by a lease that it adopted, so we take W after its last sound.
// One that an earlier run of ours knew may hold and not hear us; but once it has been silent
// since our start, that is more likely to be a recording.
func (m *Machine) sessionPending(now clock.Instant, p *peer, later bool) {
	if p.link.silent && !later {
		return
	}
	if p.link.silent {
		p.link.boundUntil, p.link.silent = p.link.bound(now, m.config.Lease), false
		if now.Sub(p.heard) > m.config.Dead {
			p.link.separatedUntil = now
		}
	}
	p.pending = now
}

// pendingSince is when the peer was last there by what is no word of it.
func (p *peer) pendingSince() clock.Instant { return max(p.pending, p.unread) }

// echoMissing reports whether the peer came back from a silence and has echoed nothing since.
func (p *peer) echoMissing() bool {
	return p.heard >= p.link.separatedUntil && p.link.separatedUntil > p.link.echo
}
