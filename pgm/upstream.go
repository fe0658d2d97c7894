package pgm

import (
	"net/netip"

	"vipd/multicast"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// listen hears what receivers send, until the link closes.
func (s *Sender) listen(in Input) {
	batch := multicast.NewBatch(16, 1<<16) // the kernel may have joined several
	var p packet.Packet
	var opened []byte
	for {
		n, err := in.Read(batch)
		if err != nil {
			if multicast.Transient(err) {
				continue
			}
			return
		}
		for i := range batch[:n] {
			d := &batch[i]
			for b := range d.Segments() {
				if s.o.Seal == nil {
					s.hear(&p, b, b, d)
				} else if len(b) > sealPrefix && packet.Type(b[packet.TypeOffset]).Upstream() {
					opened = append(opened[:0], b...)
					s.hearSealed(&p, opened, b, d)
				}
			}
		}
		if s.writeRound() != nil {
			return
		}
	}
}

// hearSealed opens one packet from a receiver; sealed is a copy of wire. What is for another
// session need not be opened by this one's seal.
func (s *Sender) hearSealed(p *packet.Packet, sealed, wire []byte, d *multicast.Datagram) {
	if be.Uint16(sealed[2:]) != s.tsi.Port {
		s.relay(wire, d)
		return
	}
	b, err := open(s.o.Seal, sealed)
	if err != nil {
		s.mu.Lock()
		s.stats.NotOpened++
		s.mu.Unlock()
		return
	}
	s.hear(p, b, wire, d)
}

// relay passes on what is for another session, to the other senders of this host.
func (s *Sender) relay(wire []byte, d *multicast.Datagram) {
	r, ok := s.link.(relayer)
	if !ok || d.Multicast {
		return
	}
	r.Relay(wire) //nolint:errcheck // it will be asked again
	s.mu.Lock()
	s.stats.Relayed++
	s.mu.Unlock()
}

// hear takes one packet from a receiver; wire is how it came.
func (s *Sender) hear(p *packet.Packet, b, wire []byte, d *multicast.Datagram) {
	if err := p.Parse(b); err != nil {
		s.mu.Lock()
		s.stats.Faults[err.(packet.Fault)]++
		s.mu.Unlock()
		return
	}
	if !p.Type.Upstream() {
		return // another sender's
	}
	if p.TSI() != s.tsi {
		s.relay(wire, d)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	switch {
	case p.DataPort() != s.o.Port:
		s.stats.OtherPort++
	case p.Type == packet.NAK:
		s.hearNAK(now, p, d.Addr.Addr())
	case p.Type == packet.SPMR:
		s.hearSPMR(now)
	default:
		s.stats.Ignored++ // POLR, NNAK, ACK: sections 11, 14 and PGMCC are not acted on
	}
}

// hearNAK confirms and repairs (section 5.3): an NCF at once for every valid
// number, one RDATA for each.
func (s *Sender) hearNAK(now window.Instant, p *packet.Packet, from netip.Addr) {
	s.stats.NAKs++
	if p.Source != s.link.Local() || p.Group != s.link.Group() || p.Parity {
		s.stats.ForeignNAKs++
		return
	}
	list := append(make([]packet.Seq, 0, 1+packet.MaxNAKList), p.Seq)
	list = append(list, p.Options.NAKList...)
	c := s.criers.of(now, from, s.o)
	valid := list[:0]
	for _, seq := range list {
		switch {
		case !c.may(now):
			s.stats.CappedNAKs++
		case !seq.Before(s.unsent) || !s.w.Ask(now, seq):
			s.stats.OutsideNAKs++
		default:
			valid = append(valid, seq)
		}
	}
	if len(valid) > 0 {
		s.confirm(p, valid)
	}
}

// confirm queues the NCF of the numbers (section 8.3): the NAK's own body, sent
// to the group.
func (s *Sender) confirm(nak *packet.Packet, valid []packet.Seq) {
	ncf := packet.Packet{Type: packet.NCF, SourcePort: s.tsi.Port, DestPort: s.o.Port, GSI: s.tsi.GSI,
		Seq: valid[0], Source: nak.Source, Group: nak.Group}
	if len(valid) > 1 {
		ncf.Options.With(packet.OptNAKList).NAKList = valid[1:]
	}
	s.queueControl(ncf.Append(make([]byte, 0, 64+4*len(valid))))
	s.stats.NCFs++
}

// hearSPMR answers with an SPM (section 13), at most one for a hundredth of a
// second: more would only repeat it.
func (s *Sender) hearSPMR(now window.Instant) {
	s.stats.SPMRs++
	const apart = window.Instant(10_000_000)
	if s.spmrAt != 0 && now < s.spmrAt+apart {
		return
	}
	s.spmrAt = now
	s.queueSPM()
}

// criers caps what each receiver may have repaired, so that one with a bad
// cable does not take the others' share.
type criers map[netip.Addr]*crier

// crier is one receiver that asked for repairs.
type crier struct {
	bucket window.Bucket
	seen   window.Instant
}

// maxCriers is how many receivers are told apart; the one silent longest makes
// room.
const maxCriers = 64

// of returns the state of a receiver.
func (cs criers) of(now window.Instant, a netip.Addr, o SenderOptions) *crier {
	c := cs[a]
	if c == nil {
		if len(cs) == maxCriers {
			cs.forgetOldest()
		}
		c = &crier{bucket: window.NewBucket(now, o.RepairRate, max(float64(o.Window), 64))}
		cs[a] = c
	}
	c.seen = now
	return c
}

func (cs criers) forgetOldest() {
	var oldest netip.Addr
	at := window.Never
	for a, c := range cs {
		if c.seen < at {
			oldest, at = a, c.seen
		}
	}
	delete(cs, oldest)
}

// may reports whether one more number may be repaired for the receiver.
func (c *crier) may(now window.Instant) bool { return c.bucket.Take(now, 1) == 0 }
