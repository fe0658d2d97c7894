package pgm

import (
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// take puts a message into the window as one packet or several fragments, and returns
// its number.
func (s *Sender) take(now window.Instant, m []byte) packet.Seq {
	s.stats.Messages++
	if !s.o.Pack {
		number := s.w.Next()
		s.push(now, m)
		return number
	}
	s.closePack(now)
	number := s.w.Next()
	s.packed = appendPacked(s.packed[:0], m)
	if len(s.packed) > s.payload(false) {
		s.closePack(now)
	}
	return number
}

// push makes one APDU into packets (section 9.2).
func (s *Sender) push(now window.Instant, apdu []byte) {
	if len(apdu) <= s.payload(false) {
		s.pushPacket(now, apdu, nil)
		return
	}
	f := packet.Fragment{First: s.w.Next(), Length: uint32(len(apdu))}
	for rest := apdu; len(rest) > 0; {
		n := min(len(rest), s.payload(true))
		s.pushPacket(now, rest[:n], &f)
		rest = rest[n:]
		f.Offset += uint32(n)
	}
}

// pushPacket adds one ODATA to the window.
func (s *Sender) pushPacket(now window.Instant, payload []byte, f *packet.Fragment) {
	p := &s.scratch
	p.Type, p.SourcePort, p.DestPort, p.GSI = packet.ODATA, s.tsi.Port, s.o.Port, s.tsi.GSI
	p.Seq, p.Trail, p.Payload = s.w.Next(), s.trailAfterPush(), payload
	p.Options = packet.Options{}
	if !s.begun.Load() {
		p.Options.With(packet.OptSYN) // section 9.6
		s.begun.Store(true)
	}
	if f != nil {
		p.Options.With(packet.OptFragment).Fragment = *f
	}
	if s.o.LateJoin {
		p.Options.With(packet.OptJoin).Join = p.Trail
	}
	s.w.Push(now, p.Append(s.w.Buffer()))
	s.stats.Packets++
	s.stats.Octets += uint64(len(payload))
}

// trailAfterPush is the trail once one more packet is in the window.
func (s *Sender) trailAfterPush() packet.Seq {
	if s.w.Next().From(s.w.Trail()) >= s.o.Window {
		return s.w.Trail().Add(1)
	}
	return s.w.Trail()
}

// synRoom is how many octets OPT_SYN may take from the first packet.
const synRoom = 8

// payload is how many octets the next packet carries.
func (s *Sender) payload(fragment bool) int {
	room := s.wholeRoom
	if fragment {
		room = s.partRoom
	}
	if !s.begun.Load() {
		room -= synRoom
	}
	return room
}

// maxPacket is the longest packet that the link takes, sealed.
func (s *Sender) maxPacket() int { return s.link.MaxPacket() - sealOverhead(s.o.Seal) }

// measure finds out what the options leave of a packet.
func (s *Sender) measure() {
	var o packet.Options
	if s.o.LateJoin {
		o.With(packet.OptJoin)
	}
	s.wholeRoom = s.maxPacket() - packet.DataHeaderLen - o.Len()
	s.partRoom = s.maxPacket() - packet.DataHeaderLen - o.With(packet.OptFragment).Len()
}

// packets is how many packets a message of n octets takes.
func (s *Sender) packets(n int) int {
	if s.o.Pack {
		n += packPrefix
	}
	if n <= s.payload(false) {
		return 1
	}
	if !s.begun.Load() {
		n += synRoom
	}
	return (n + s.partRoom - 1) / s.partRoom
}

// maxMessage is the longest message.
func (s *Sender) maxMessage() int {
	if s.o.Pack {
		return MaxMessage - packPrefix
	}
	return MaxMessage
}
