package heartbeat

import "vipd/heartbeat/clock"

// The clients' network is one more path, used only in trouble. A daemon that holds an
// address proves by it that it lives, where the ordinary paths are cut and where an ARP
// answer may come from any device.

// isLAN reports whether the path is one over the clients' network.
func (m *Machine) isLAN(path uint8) bool { return m.config.LANs > 0 && path >= m.config.Paths }

// LAN reports whether beats are to go over the clients' network: some peer is not heard,
// or does not hear us, on any ordinary path, or was so within the last dead time.
func (m *Machine) LAN(now clock.Instant) bool {
	for i := range m.peers {
		if m.config.LANs > 0 && now < m.peers[i].lanUntil {
			return true
		}
	}
	return false
}

// noteTrouble notes which way the message came, and on which its sender hears us.
func (m *Machine) noteTrouble(now clock.Instant, p *Peer, r Received) {
	if !m.isLAN(r.Path) {
		p.ordinary = now
	}
	h, ok := r.Message.Echo(m.config.Self, m.config.Session)
	if ok && !h.Pending && h.Paths&(1<<m.config.Paths-1) != 0 {
		p.mutual = now
	}
}

// watchPaths lets beats go over the clients' network for a dead time from each instant at
// which a peer is in trouble: the peer's own view of our paths is a dead time old.
func (m *Machine) watchPaths(now clock.Instant) {
	if m.config.LANs == 0 {
		return
	}
	for i := range m.peers {
		p := &m.peers[i]
		from := clock.Min(p.ordinary, p.mutual).Add(m.config.Interval * 6 / 5)
		if now >= clock.Min(from, m.troubleAt(p)) {
			p.lanUntil = now.Add(m.config.Dead)
		}
	}
}
