package pgm

import (
	"net/netip"

	"vipd/multicast"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// newBatch makes what a receiver reads into.
func newBatch(l Link) []multicast.Datagram {
	if l.Segments() {
		const joined = 32 // datagrams that the kernel may have joined of many
		return multicast.NewBatch(joined, 1<<16)
	}
	return multicast.NewBatch(multicast.MaxBatch, max(l.MaxPacket()+ipv6Header, 2048))
}

// listen hears one input, until the link closes.
func (r *Receiver) listen(in Input) {
	batch := newBatch(r.link)
	var p packet.Packet
	for {
		n, err := in.Read(batch)
		if err != nil {
			if multicast.Transient(err) && !isClosed(r.done) {
				continue
			}
			return
		}
		r.receiveBatch(&p, batch[:n])
		r.writeOut()
	}
}

// receiveBatch takes the packets of one read, then asks for what is missing.
func (r *Receiver) receiveBatch(p *packet.Packet, batch []multicast.Datagram) {
	now := r.clock.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range batch {
		d := &batch[i]
		for b := range d.Segments() {
			r.receive(now, p, b, d.Addr.Addr())
		}
	}
	r.ask(now)
	ready := false
	for _, s := range r.order {
		ready = ready || s.w.Ready()
		r.tellAdvance(s, now)
	}
	if ready {
		r.notifyReader()
	}
}

// receive takes one packet.
func (r *Receiver) receive(now window.Instant, p *packet.Packet, b []byte, from netip.Addr) {
	octets := len(b)
	b, err := open(r.o.Seal, b)
	if err != nil {
		r.stats.NotOpened++
		return
	}
	if err := p.Parse(b); err != nil {
		r.stats.Faults[err.(packet.Fault)]++
		return
	}
	if p.DataPort() != r.o.Port {
		r.stats.OtherPort++
		return
	}
	s := r.sessions[p.TSI()]
	switch p.Type {
	case packet.SPM, packet.ODATA, packet.RDATA:
		if s == nil {
			if s = r.open(now, p.TSI(), from); s == nil {
				r.stats.TooMany++
				return
			}
		}
		s.count(now, octets)
		if p.Type == packet.SPM {
			r.receiveSPM(now, s, p)
		} else {
			r.receiveData(now, s, p)
		}
	case packet.NCF, packet.NAK: // another receiver's NAK may come by multicast
		r.stats.NCFs++
		if s != nil && !p.Parity {
			s.w.NCF(now, p.Seq)
			for _, seq := range p.Options.NAKList {
				s.w.NCF(now, seq)
			}
		}
	case packet.SPMR:
		if s != nil {
			s.spmrAt = window.Never // someone asks already (section 13)
		}
	default:
		r.stats.Ignored++
	}
}

// receiveData takes an ODATA or RDATA. Parity packets are not acted on.
func (r *Receiver) receiveData(now window.Instant, s *session, p *packet.Packet) {
	if p.Parity {
		r.stats.Ignored++
		return
	}
	r.stats.Packets++
	if p.Type == packet.RDATA {
		r.stats.Repairs++
	}
	r.stats.Verdicts[s.w.Data(now, p, r.keep)]++
	s.fed(now)
}

// keep copies a payload out of the socket's buffer. Payloads share blocks of
// memory: one allocation serves many. The blocks are small, for a message that the
// program keeps keeps its block.
func (r *Receiver) keep(b []byte) []byte {
	const block = 16 << 10
	if cap(r.block)-len(r.block) < len(b) {
		r.block = make([]byte, 0, max(block, len(b)))
	}
	at := len(r.block)
	r.block = append(r.block, b...)
	return r.block[at:len(r.block):len(r.block)]
}

// receiveSPM takes a source path message: where NAKs go, and the window's edges.
func (r *Receiver) receiveSPM(now window.Instant, s *session, p *packet.Packet) {
	r.stats.SPMs++
	v := s.w.SPM(now, p)
	r.stats.Verdicts[v]++
	if v == window.Kept {
		s.path, s.spmrAt = p.Path, window.Never
		s.spms++
	}
}
