package pgm

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// ErrTooLong says that a message has more octets, or needs more fragments,
// than SenderOptions allow, or than half the window.
var ErrTooLong = errors.New("pgm: message too long")

// Event is what can happen to a source beside a message: *LossError, *RestartError,
// *EndError, *BehindError and *StallError are the events. Receiver.Next returns them in
// the order of the messages, as errors; Receiver.Receive puts them into Events instead.
type Event interface {
	error
	Session() packet.TSI // the source that it happened to
}

// LossError is one hole in what a source sent: messages that will never come.
// It stands in the order of the messages, exactly one for each hole, and
// Receive goes on after it.
type LossError struct {
	Source packet.TSI
	window.Loss
}

func (e *LossError) Error() string {
	return fmt.Sprintf("pgm: %d packets of %s lost, numbers %d to %d", e.Count(), e.Source, e.First, e.Last)
}

// EndError says that a source is gone: nothing more comes from its session.
// Receive goes on with other sources.
type EndError struct {
	Source  packet.TSI
	Reset   bool  // ended by the source's reset (OPT_RST), not in order
	Code    uint8 // the source's reason for the reset
	Expired bool  // nothing was heard of it for ReceiverOptions.Expiry
}

func (e *EndError) Error() string {
	switch {
	case e.Reset:
		return fmt.Sprintf("pgm: %s reset its session (code %d)", e.Source, e.Code)
	case e.Expired:
		return fmt.Sprintf("pgm: %s is silent", e.Source)
	}
	return fmt.Sprintf("pgm: %s has finished", e.Source)
}

// BehindError says that a sender waits for this receiver no longer: what the
// receiver has not got when the sender's window moves on comes as LossErrors.
type BehindError struct {
	Source packet.TSI
	At     packet.Seq // the oldest number the receiver still needed
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("pgm: %s has left this receiver behind at number %d", e.Source, e.At)
}

// RestartError says that a source has begun again under the identifier it had: every
// message after it is of its new life, and numbered anew. What the old life still owed
// is lost; a LossError before this tells of what was known to be missing.
type RestartError struct{ Source packet.TSI }

func (e *RestartError) Error() string {
	return fmt.Sprintf("pgm: %s has started again", e.Source)
}

// StallError says that a source is heard, but none of its data comes: most often its
// packets are longer than a network on the way, or this host, lets through. Repairs are
// asked for one at a time from now on, until data comes.
type StallError struct {
	Source    packet.TSI
	Waiting   int // packets that are missing
	Longest   int // octets of the longest packet that came from the source
	MaxPacket int // octets of the longest packet that this host's link takes
}

func (e *StallError) Error() string {
	return fmt.Sprintf("pgm: %s is heard, but %d packets of data do not come: nothing longer than %d octets has come, this host's link takes %d", e.Source, e.Waiting, e.Longest, e.MaxPacket)
}

// Session returns the source.
func (e *LossError) Session() packet.TSI { return e.Source }

// Session returns the source.
func (e *EndError) Session() packet.TSI { return e.Source }

// Session returns the source.
func (e *BehindError) Session() packet.TSI { return e.Source }

// Session returns the source.
func (e *RestartError) Session() packet.TSI { return e.Source }

// Session returns the source.
func (e *StallError) Session() packet.TSI { return e.Source }

// UnacknowledgedError says which known receivers lack what a sender has sent.
type UnacknowledgedError struct {
	Receivers []Lack
	Err       error // why it was waited no longer: the context's error, or nil
}

// Lack is what one known receiver has not acknowledged.
type Lack struct {
	Receiver netip.AddrPort
	From     packet.Seq // the oldest number it has not acknowledged
	Packets  int        // from there to the last one sent
}

func (e *UnacknowledgedError) Error() string {
	var b strings.Builder
	b.WriteString("pgm: not acknowledged")
	for i, l := range e.Receivers {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " by %s: %d packets from number %d on", l.Receiver, l.Packets, l.From)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

func (e *UnacknowledgedError) Unwrap() error { return e.Err }
