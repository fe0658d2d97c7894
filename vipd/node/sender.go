package node

import (
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// Sender decides for the sending thread of a node: the messages, and until when
// the kernel lets each token live by them. A send renews the leases, so that the two
// belong together. It is pure; the daemon and the simulation run this same code.
//
//	payload, steps ──► Sender ──Compose──► message ──► the wire
//	leases ──Grant──►    │                    │
//	                     └──◄──── Renew ◄─────┘   (after each message)
type Sender struct {
	*heartbeat.Sender
	lease    time.Duration
	terms    []token.LeaseState // by token
	ended    []token.Expired
	extended bool // a restart: the leases stay as they are
}

// NewSender returns a sender without leases whose first beat is due at now.
func NewSender(c heartbeat.Config, now clock.Instant) *Sender {
	return &Sender{Sender: heartbeat.NewSender(c, now), lease: c.Lease}
}

// Grant takes a lease that changed and returns until when the kernel is to let the
// token live, 0 for no longer. ok is false if the kernel's expiry is to stay as it is.
func (s *Sender) Grant(l token.Lease, now clock.Instant) (until clock.Instant, ok bool) {
	for len(s.terms) <= l.Token {
		s.terms = append(s.terms, token.LeaseState{Length: s.lease})
	}
	sent := s.Sent()
	if sent == 0 && l.Limit == clock.Never {
		sent = now // an adopted lease without a limit runs from now
	}
	if s.terms[l.Token].Grant(l, now, sent) {
		s.ended = append(s.ended, token.Expired{Token: l.Token, Epoch: l.Epoch})
	}
	return s.Expiry(l.Token)
}

// Expiry returns until when the kernel is to let the token live; ok as for Grant.
func (s *Sender) Expiry(i int) (until clock.Instant, ok bool) {
	if i >= len(s.terms) || s.extended {
		return 0, false
	}
	return s.terms[i].Expiry(), true
}

// Held returns the epoch of the lease that the token has, be it one that has run out;
// 0 if it has none.
func (s *Sender) Held(i int) (epoch uint64) {
	if i < len(s.terms) && s.terms[i].Held() {
		epoch = s.terms[i].Epoch()
	}
	return epoch
}

// Renew renews every lease by the message that was just sent, and calls write with
// each token that is held and until when it is to live.
func (s *Sender) Renew(write func(token int, until clock.Instant)) {
	for i := range s.terms {
		t := &s.terms[i]
		if t.Renew(s.Sent()) {
			s.ended = append(s.ended, token.Expired{Token: i, Epoch: t.Epoch()})
		}
		if t.Held() && !s.extended {
			write(i, t.Expiry())
		}
	}
}

// Ended returns the leases that had run out before a send, or before a change of theirs
// was written, each once. The loop asks
// before each event, so that it knows before the send can be answered.
func (s *Sender) Ended() (list []token.Expired) {
	list, s.ended = s.ended, nil
	return list
}

// Extend has the kernel let every token whose lease runs at now live until the instant,
// for the time of a restart, after which they stay as they are.
func (s *Sender) Extend(now, until clock.Instant, write func(token int, until clock.Instant)) {
	s.extended = true
	for i := range s.terms {
		if s.terms[i].Runs(now) {
			write(i, until)
		}
	}
}
