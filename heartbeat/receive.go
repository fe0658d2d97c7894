package heartbeat

import "vipd/heartbeat/clock"

// receive takes one message, or counts why it changes nothing.
func (m *Machine) receive(now clock.Instant, r Received) {
	p, reason := m.admit(now, r)
	if reason == Unproven {
		m.challenge(r)
	}
	if reason != Kept {
		m.drops[reason]++
		return
	}
	echoed, ok := m.echo(now, r)
	if !ok {
		m.drops[FromFuture]++
		return
	}
	word := Word{From: r.From, Message: r.Message, Waited: max(now.Sub(r.Arrived), 0), Silence: now.Sub(p.timer), Echoed: echoed, New: r.Session != p.Session}
	if word.New {
		m.replace(p, r.Session, echoed)
	}
	first := r.Path < MaxPaths && p.Paths[r.Path].take(now, r.Message.Seq)
	if first && r.Message.Kind == Beat {
		p.Paths[r.Path].count(r.Message.Sent, m.config.Interval)
	}
	if first && r.Message.Kind != Answer {
		m.actions = append(m.actions, Say{Kind: Answer, To: p.Slot, Path: r.Path, Whole: r.Message.Want})
	}
	if first && r.Message.Kind == Answer {
		m.measure(p, r)
	}
	word.Fresh = r.Message.Seq > p.seq
	if !word.Fresh && echoed <= p.Echo {
		m.drops[Repeated]++
		return
	}
	p.Echo = max(p.Echo, echoed)
	if word.Fresh {
		m.refresh(now, p, r)
		word.Spoken = p.sent == r.Message.Sent
		word.Changed = p.pages.take(r.Message)
		word.Claims = p.pages.claims
	}
	if h, ok := r.Message.Echo(m.config.Self, m.config.Session); ok {
		word.Knows = h.Edition
	}
	word.Current = word.Fresh && p.pages.whole && p.pages.edition == r.Message.Edition
	m.actions = append(m.actions, word)
}

// challenge answers a session that has yet to echo ours, so that it can. It is
// no word of the peer's, for it may be a recording; but it is not silence: a
// peer that has started anew and can't hear us takes what we hold after W.
func (m *Machine) challenge(r Received) {
	m.actions = append(m.actions, Audible{From: r.From})
	if r.Message.Kind != Answer {
		m.actions = append(m.actions, Say{Kind: Answer, To: r.From, Path: r.Path})
	}
}

// admit decides whether the message is from a live session of a peer.
func (m *Machine) admit(now clock.Instant, r Received) (*Peer, DropReason) {
	if r.From == m.config.Self {
		return nil, OwnEcho
	}
	p := m.Peer(r.From)
	if p == nil {
		return nil, NotAPeer
	}
	waited := now.Sub(r.Arrived)
	if waited > m.config.Dead || r.Arrived < m.thawed && m.thawed.Sub(r.Arrived) > m.config.Interval {
		return nil, Waited
	}
	if p.isRetired(r.Session) {
		return nil, OldSession
	}
	if r.Session != p.Session && p.Session != 0 && !m.succeeds(now, p, r) {
		return nil, Unproven
	}
	return p, Kept
}

// succeeds reports whether a message of another session shows that the peer
// has started anew: it echoes our session freshly, which no recording can, or
// the session that we know has been silent for a dead time. Until then it is
// answered, so that it can echo us, and changes nothing.
func (m *Machine) succeeds(now clock.Instant, p *Peer, r Received) bool {
	echo, ok := r.Message.Echo(m.config.Self, m.config.Session)
	return ok && now.Sub(echo.Sent) <= m.config.Dead || p.Silence(now) > m.config.Dead
}

func (m *Machine) replace(p *Peer, session uint64, echoed clock.Instant) {
	old := p.Session
	p.adopt(session)
	if old != 0 && echoed != 0 {
		m.actions = append(m.actions, Retire{Slot: p.Slot, Session: old})
	}
}

// echo returns which of our sends the message echoes; 0 if none, or one so old
// that it proves nothing. ok is false for a send that we have not made.
func (m *Machine) echo(now clock.Instant, r Received) (sent clock.Instant, ok bool) {
	h, found := r.Message.Echo(m.config.Self, m.config.Session)
	switch {
	case !found:
		return 0, true
	case h.Sent > now:
		return 0, false
	case now.Sub(h.Sent) > m.config.Dead:
		return 0, true
	}
	return h.Sent, true
}

// refresh takes over what the newest message says of its sender.
func (m *Machine) refresh(now clock.Instant, p *Peer, r Received) {
	if p.Heard == 0 || now.Sub(p.Heard) > m.config.Dead {
		p.Since = now
	}
	p.seq = r.Message.Seq
	if p.trouble != 0 && now.Sub(p.asked) >= leastAsk {
		p.asked = 0 // asked at once: its echo may be all that a lease waits for
	}
	p.Heard, p.timer = now, now
	if r.Message.Kind != Answer || p.sent == 0 { // the first of a session is echoed, whatever it is
		p.spoke = now
		p.sent, p.at = r.Message.Sent, r.Wall
	}
	p.State, p.Hold = r.Message.State, 0
	if p.State == Restarting {
		p.Hold = r.Message.Hold
	}
	p.Digest, p.Build, p.Synced = r.Message.Digest, r.Message.Build, r.Message.Synced
}

// measure takes round trip and clock offset from an answer. Our own time of
// the send is reckoned back on the boot clock, so that a step of our wall
// clock during the exchange does no harm.
func (m *Machine) measure(p *Peer, r Received) {
	h, ok := r.Message.Echo(m.config.Self, m.config.Session)
	trip := r.Arrived.Sub(h.Sent)
	if !ok || trip < 0 || trip > m.config.Dead {
		return
	}
	held := r.Message.Wall.Sub(h.At)
	p.Paths[r.Path].RoundTrip = max(trip-max(held, 0), 0)
	if r.Wall == 0 || h.At == 0 || held < 0 {
		return
	}
	p.Clock.Add(r.Arrived, clock.Exchange{
		Sent: r.Wall - clock.Wall(trip), Received: h.At, Answered: r.Message.Wall, Back: r.Wall,
	})
}
