package token

import "vipd/heartbeat/clock"

// Cause says why a token changed hands; the list is closed.
type Cause uint8

// The causes, by their words in the log.
const (
	NoCause Cause = iota
	PeerSilent
	PeerResigned
	CheckFailed
	Operator
	Priority
	ConflictLost
	SelfStalled
	LeaseExpired
	LinkLost
	Reconfigured
	Shutdown
	Restarted
	AddressFailed
	UnitFailed
)

// String returns the cause as the log and the events have it.
func (c Cause) String() string {
	return [...]string{"", "peer-silent", "peer-resigned", "check-failed", "operator", "priority",
		"conflict-lost", "self-stalled", "lease-expired", "link-down", "config",
		"stopping", "restarted", "address-failed", "unit-failed"}[c]
}

// Action is something to do.
type Action interface{ action() }

// Acquire asks the effector to put the resource up and to announce it. The lease is in force
// before. Up or Failed answers it.
type Acquire struct {
	Token int
	Epoch uint64
	Cause Cause
	From  uint8 // the previous holder, 0 if unknown
}

// Drop asks the effector to take the resource down. The lease has ended before. Down answers
// it.
type Drop struct {
	Token int
	Epoch uint64
	Cause Cause
}

// Announce asks the effector to tell the neighbours again, at once and after 50 and 150 ms.
// Before each announcement the effector asks Owns whether the token is still held.
type Announce struct {
	Token int
	Epoch uint64
}

// Lease sets how long the kernel may let the resource live: min(Limit, newest
// send + L), written at every send and at once. Limit 0 ends it. A lease that has
// run out revives only if Again is set; a send that comes too late for it is
// answered by Ended.
type Lease struct {
	Token int
	Limit clock.Instant
	Epoch uint64
	Again bool
}

// Probe asks the effector to send an address probe for the resource. ProbeAnswered tells of
// each answer.
type Probe struct{ Token int }

// PersistRecord asks the disk to keep the record before the actions that depend on it.
// RecordPersisted answers it.
type PersistRecord struct {
	Token  int
	Record Record
}

// ReserveEpochs asks the disk to note that counters up to HighWater may be granted; if Timed,
// none that is ahead of the time of day. Answered by Reserved.
type ReserveEpochs struct {
	HighWater uint64
	Timed     bool
}

// EpochRefused says that a peer speaks of an epoch that can't be true.
type EpochRefused struct {
	Token int
	Peer  uint8
	Epoch uint64
}

// ClaimsChanged asks for a message with the new claims at once.
type ClaimsChanged struct{}

// Refusal says why an operator's wish can't be.
type Refusal uint8

// The refusals; Accepted is none.
const (
	Accepted Refusal = iota
	NotHeld
	UnderWay
	NoSuchNode
	NotHeard
	NotFit
	NotTaken
)

// String returns the refusal as an operator reads it.
func (r Refusal) String() string {
	if r > NotTaken {
		return "refused"
	}
	return [...]string{"accepted", "no node holds it", "another move is under way", "the node is not configured for it",
		"the node is not heard", "the node is not fit to take it", "the node did not take it"}[r]
}

// Refused tells an operator why a move can't be.
type Refused struct {
	Token int
	Why   Refusal
}

func (Acquire) action()       {}
func (Drop) action()          {}
func (Announce) action()      {}
func (Probe) action()         {}
func (Lease) action()         {}
func (PersistRecord) action() {}
func (ReserveEpochs) action() {}
func (ClaimsChanged) action() {}
func (Refused) action()       {}

func (EpochRefused) action() {}
