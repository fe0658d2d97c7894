package pgm

import (
	"errors"
	"fmt"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// ErrTooLong says that a message has more octets, or needs more fragments,
// than SenderOptions allow, or than half the window.
var ErrTooLong = errors.New("pgm: message too long")

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
