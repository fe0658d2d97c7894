package heartbeat

import "vipd/heartbeat/clock"

// receive takes one message, or counts why it has no effect.
func (m *Machine) receive(now clock.Instant, r Received) {
	p, reason := m.admit(now, r)
	if reason != Kept {
		m.drops[reason]++
		return
	}
	echo, ok := m.echo(now, r)
	if !ok {
		m.drops[FromFuture]++
		return
	}
	word := &m.report
	*word = Report{From: r.From, Message: r.Message, Waited: max(now.Sub(r.Arrived), 0), Silence: now.Sub(p.silentSince), NewSession: r.Session != p.Session}
	if word.NewSession && (echo.Sent == 0 || p.behind(r)) {
		m.expectProof(now, p, r)
		return
	}
	if !word.NewSession && echo.Sent == 0 && p.stale(r, m.config.Dead) {
		m.drops[Waited]++
		return
	}
	m.outranked(r)
	if word.NewSession {
		p.adopt(r.Session, r.Start)
	}
	if word.Proof = echo.Sent; !echo.Pending {
		word.Echoed = echo.Sent
	}
	first := r.Path < MaxPaths && p.Paths[r.Path].take(now, r.Message.Seq)
	if first && r.Message.Kind == Beat && !m.isLAN(r.Path) {
		p.Paths[r.Path].count(r.Message.Sent, m.config.Interval)
	}
	if first && r.Message.Kind != Reply {
		m.reply(p, r.Path, r.Message.RequestClaims)
	}
	if first && r.Message.Kind == Reply {
		p.Paths[r.Path].answered = now
	}
	if first && (r.Message.Kind == Reply || word.NewSession) { // the clocks are compared before anything moves to a peer
		m.measure(p, r)
	}
	m.noteTrouble(now, p, r)
	word.Fresh = r.Message.Seq > p.seq
	if !word.Fresh && word.Echoed <= p.Echo {
		m.drops[Repeated]++
		return
	}
	p.Echo = max(p.Echo, word.Echoed)
	if word.Fresh {
		m.refresh(now, p, r, echo.Sent != 0)
		word.Unsolicited = p.sent == r.Message.Sent
		word.Changed = p.pages.take(r.Message)
		word.Claims = p.pages.claims
	}
	if h, ok := r.Message.Echo(m.config.Self, m.config.Session); ok {
		word.AckedRevision = h.Revision
	}
	word.Complete = word.Fresh && p.pages.whole && p.pages.revision == r.Message.Revision
	m.actions = append(m.actions, word)
}

// reply asks for an answer on the path. The action is the same as a rule, so that it is
// made once.
func (m *Machine) reply(p *Peer, path uint8, whole bool) {
	say, made := Send{Kind: Reply, To: p.Slot, Path: path, AllPages: whole}, &m.replies[m.place[p.Slot]][path%MaxPaths]
	if *made == nil || *made != Action(say) {
		*made = say
	}
	m.actions = append(m.actions, *made)
}

// expectProof notes a message of a session that has not proved itself. It is not answered, for
// it may be a recording. But it may also be of a peer that has started anew and can't
// hear us, or of one that does not hear yet that we have: it takes our tokens after W.
func (m *Machine) expectProof(now clock.Instant, p *Peer, r Received) {
	m.drops[Unproven]++
	if m.config.Start != 0 { // or else the peer listens to us, and tells it when it has proved itself
		m.outranked(r)
	}
	if p.expectProof(now, r) {
		m.actions = append(m.actions, SessionPending{From: p.Slot, Later: r.Start > p.proven && (p.Session != 0 || p.proven != 0)})
	}
}

// outranked looks whether the peer counts a later start of ours than we do.
func (m *Machine) outranked(r Received) {
	for _, s := range r.Message.Starts {
		if s.Slot == m.config.Self && s.Start > m.startTold {
			m.startTold = s.Start
			m.actions = append(m.actions, SessionReplaced{Start: s.Start})
		}
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
	if r.Session != p.Session && (p.isRetired(r.Session) || r.Start != 0 && r.Start < p.least()) {
		return nil, OldSession
	}
	return p, Kept
}

// echo returns the message's echo of our present session. Sent is 0 without one, or if the
// send is so old that it is no proof: a message that echoes a
// recent one is no recording of an earlier time. ok is false for a send that we have
// not made.
func (m *Machine) echo(now clock.Instant, r Received) (h PeerEcho, ok bool) {
	h, _ = r.Message.Echo(m.config.Self, m.config.Session)
	if now.Sub(h.Sent) > m.config.Dead {
		h.Sent = 0
	}
	return h, h.Sent <= now
}

// refresh takes over the state of the sender from its newest message.
func (m *Machine) refresh(now clock.Instant, p *Peer, r Received, proof bool) {
	if p.Heard == 0 || now.Sub(p.Heard) > m.config.Dead {
		p.Since = now
	}
	p.seq = r.Message.Seq
	p.calibrate(r, proof)
	if p.trouble != 0 && now.Sub(p.queried) >= queryLeast {
		p.queried = 0 // asked at once: its echo may be all that a lease waits for
	}
	p.Heard, p.silentSince, p.lateSteps = now, now, 0
	if r.Message.Kind != Reply || p.sent == 0 { // the first of a session is echoed, of any kind
		p.unsolicited = now
		p.sent, p.at = r.Message.Sent, r.Wall
	}
	p.State, p.Absence = r.Message.State, 0
	if p.State == Restarting {
		p.Absence = r.Message.Absence
	}
	p.Digest, p.Build, p.Synced = r.Message.Digest, r.Message.Build, r.Message.Synced
	p.Boot, p.Dead, p.Beats = r.Message.Boot, r.Message.Dead, r.Message.Interval
	if r.Message.Keys != nil {
		p.Keys = r.Message.Keys
	}
	p.addMACs(r.Message.MACs)
}

// measure takes round trip and clock offset from a message that echoes ours. Our own time of
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
