package pgm

import (
	"errors"
	"net"

	"vipd/pgm/packet"
)

// Unacknowledged is a message that a sender took and a receiver has not acknowledged.
type Unacknowledged struct {
	Number packet.Seq // what Send returned for it; packed messages share one
	Data   []byte     // the caller's to keep
}

// Detach ends the session and returns the messages that some known receiver has not
// acknowledged, oldest first, so that the program can go on elsewhere: by another network,
// or in a session whose SenderOptions.First is the oldest one's number. Receivers that were
// removed, departed or were left behind do not count; without known receivers nothing is
// returned. A receiver may have had some of the messages: its acknowledgement was lost, or
// on its way. It tells them by their numbers.
//
// Receivers are told that nothing more comes, not even repairs (OPT_RST, section 9.8), with
// a reason of 6 bits. Detach also works after the link has failed, and after Close or Abort;
// then it only returns the messages. Messages are complete also when the error, which is the
// link's, is not nil.
func (s *Sender) Detach(code uint8) ([]Unacknowledged, error) {
	err := s.Abort(code)
	if errors.Is(err, net.ErrClosed) {
		<-s.gone // it was closed before, or is just being closed
		err = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closePack(s.clock.now())
	return s.unacknowledged(s.flow.Hold(s.w.Next())), err
}

// unacknowledged returns the messages from a number on; it needs mu.
func (s *Sender) unacknowledged(from packet.Seq) (rest []Unacknowledged) {
	var p packet.Packet
	for n := from.Later(s.w.Trail()); n.Before(s.w.Next()); n = n.Add(1) {
		if err := p.Parse(s.w.Packet(n)); err != nil {
			panic(err) // our own octets
		}
		f := &p.Options.Fragment
		switch {
		case !p.Options.Contains(packet.OptFragment):
			rest = s.appendAPDU(rest, n, p.Payload)
		case f.First != n:
			continue // of a message that the receivers have, or of the one before in the list
		default:
			apdu := make([]byte, 0, f.Length)
			for end := int(f.Length); len(apdu) < end; n = n.Add(1) {
				if err := p.Parse(s.w.Packet(n)); err != nil {
					panic(err) // our own octets
				}
				apdu = append(apdu, p.Payload...)
			}
			rest, n = s.appendAPDU(rest, f.First, apdu), n.Add(-1)
		}
	}
	return rest
}

// appendAPDU adds the messages of one APDU.
func (s *Sender) appendAPDU(list []Unacknowledged, n packet.Seq, apdu []byte) []Unacknowledged {
	if !s.o.Pack {
		return append(list, Unacknowledged{n, append([]byte(nil), apdu...)})
	}
	for len(apdu) > 0 {
		m, rest, ok := unpack(apdu)
		if !ok {
			break
		}
		list, apdu = append(list, Unacknowledged{n, append([]byte(nil), m...)}), rest
	}
	return list
}
