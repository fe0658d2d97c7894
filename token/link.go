package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// link is the way to a peer and back, as the holder's half of the rules sees it.
//
//	       no echo for 1.5 I             silence for I/2
//	fresh ───────────────────► querying ───────────────────────► silent
//	 │ ▲                        │    ▲                            │  │
//	 │ └────────── echo ────────┘    └────────── a message ───────┘  │
//	 │     a session that has not proved itself, unread messages     │
//	 └─────────────────────────► pending ◄───────────────────────────┘
//	                                 └── heard no more for 1.2 I ──► silent
//
// The times of the newest echo and message tell the first three states apart. A peer becomes
// silent by fallSilent alone, and stays so until resume or sessionPending.
type link struct {
	echo           clock.Instant // our newest send that it has echoed in this session
	boundUntil     clock.Instant // while not silent: it lets leases live until here, for it may take after
	silent         bool          // both ways: it binds no lease
	back           clock.Instant // its first message after a silence: from then on it should hear us
	separatedUntil clock.Instant // its first message after a silence in which it could have taken our tokens
}

// LinkState names how a link is.
type LinkState uint8

// The states of a link.
const (
	Fresh    LinkState = iota // the peer echoes, or its session has just begun
	Querying                  // no echo of late: it is queried, and would reply, or query itself
	Pending                   // a session that is heard may be the peer, but has not proved itself
	SilentBothWays
)

// String returns the state in one word.
func (s LinkState) String() string {
	if s > SilentBothWays {
		return "unknown"
	}
	return [...]string{"fresh", "querying", "pending", "silent"}[s]
}

// linkTimes are until when each state of a link lasts without news. If several would apply,
// the first in the order of the states counts.
type linkTimes [SilentBothWays]clock.Instant

// times returns until when the peer's link stays in each state.
//
// Fresh: it has echoed, or its session began, within 1.5 I. Querying: this node has queried it
// every L/20 since 1.2 I. A peer that heard a query would have replied. A peer that did not
// hear it would query this node as often, and this node would hear that; but a new session
// sends no query in its first 1.2 I.
//
// Pending: a session that has not proved itself may be deaf, and is heard at least every
// interval. If this run has not heard the peer yet, it is silent after a dead time, for then
// its sounds count no more. After a long trouble both nodes have stopped their queries, and
// beats alone count.
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

// queriedFor is shorter than the time for which a silent peer is queried at full rate.
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
// message, and binds no lease until then. A peer may have spoken although this node has not
// heard it yet: this node ran late, and steps for another reason before it reads its sockets.
// So the silence must have been long enough by the step before a Tick: a Tick says that all
// datagrams before that step have been read.
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

// fallSilent (rule H2): the peer has echoed nothing for 1.5 I, and for as long as a reply
// takes no message that may be its own was heard. It binds no lease.
func (l *link) fallSilent() { l.silent = true }

// bound returns until when a lease that the peer lets live may be in force: L from now if it
// was renewed beside a silent peer, else as the echoes allow.
func (l *link) bound(now clock.Instant, lease time.Duration) clock.Instant {
	if l.silent {
		return now.Add(lease)
	}
	return l.boundUntil
}

// echoed (rule H1): the peer has heard our send of that instant, so it takes no earlier than D
// after it, and a lease may last L.
func (l *link) echoed(sent clock.Instant, lease time.Duration) {
	l.echo = max(l.echo, sent)
	l.boundUntil = max(l.boundUntil, l.echo.Add(lease))
}

// resume (rule H4) is for a fresh message; it reports whether the peer may have taken since
// its previous one. A renewal beside the silent peer is void, even if the lease then lies in
// the past, for the peer may have counted from the last send that it heard. After a longer
// silence it took long ago: then the lease stands as it is, and only echoes renew it.
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

// sessionPending (rule H8) is for a session of the peer that has not proved itself, but began
// after all that have: the peer has started anew and may not hear us. Then it takes after W,
// and our lease must have ended; and it may hold by a lease that it adopted, so we take W
// after its last sound. A session that an earlier run of ours knew may hold and not hear us;
// but once the peer has been silent since our start, a recording is more likely.
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

// pendingSince is when the peer was last there by signs that are no message of it.
func (p *peer) pendingSince() clock.Instant { return max(p.pending, p.unread) }

// echoMissing reports whether the peer came back from a silence and has not echoed since.
func (p *peer) echoMissing() bool {
	return p.heard >= p.link.separatedUntil && p.link.separatedUntil > p.link.echo
}
