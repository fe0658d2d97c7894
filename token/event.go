package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Event is something that happened.
type Event interface{ event() }

// Tick is the passing of time: the deadline was reached, and all datagrams that came before
// the previous step have been read.
type Tick struct{}

// Report is a peer's message that counts.
type Report struct {
	Peer          uint8
	Absence       time.Duration // it announced that it may be silent for so long
	Dead          time.Duration // its own dead time
	Leased        bool          // its kernel silences its resources when its daemon dies
	Echoed        clock.Instant // our newest send that this message echoes, 0 if none: leases count from it
	Proof         clock.Instant // the same or, beyond it, a send that did not count for the peer yet: it hears us
	Waited        time.Duration // how long it lay in this host's socket
	Silence       time.Duration // of the peer, before this message
	NewSession    bool          // first of a new session
	Fresh         bool          // newer than every earlier one: only then does it count as heard
	Unsolicited   bool          // by itself, a beat or an ask: it is echoed, and leases count from it
	AckedRevision uint32        // the newest revision of our claims that the peer has whole
	Changed       bool          // Claims is set: they are others than before
	Claims        []Claim       // by the tokens' numbers
	Complete      bool          // the claims known of it are those it has now
}

// SessionPending says that a session of the peer was heard which has not proved itself, but may
// be its present one. The peer is not silent then, but its claims are not known.
type SessionPending struct {
	Peer  uint8
	Later bool // it began after all that have proved themselves
}

// LateStep (rule T1) says that the node ran late: messages of the peer may wait unread, so it is not silent.
type LateStep struct{ Peer uint8 }

// NetworkForwarding says that a frame of another host was seen: the link forwards.
type NetworkForwarding struct{}

// Up says that the effector has put the resource up and announced it.
type Up struct {
	Token int
	Epoch uint64
}

// Failed says that the effector could not put the resource up, or that the resource ended by
// itself. All of it is down.
type Failed struct {
	Token int
	Epoch uint64
	Cause Cause // NoCause: AddressFailed
}

// Down says that the effector has removed the resource, and that the kernel confirms it.
type Down struct{ Token int }

// Expired says that the lease had run out before a send could renew it.
type Expired struct {
	Token int
	Epoch uint64
}

// Eligibility replaces the node's own reasons against one token.
type Eligibility struct {
	Token   int
	Reasons Reason
}

// NodeEligibility replaces the reasons that hold for every token of the node.
type NodeEligibility struct{ Reasons Reason }

// BlockFailback closes or opens the way of automatic moves to a peer.
type BlockFailback struct {
	Peer    uint8
	Blocked bool
}

// Move is an operator's wish, given to the holder.
type Move struct {
	Token int
	To    uint8
}

// OperatorOverride is an operator's word, given to the node that is to take the token: every
// node that is not heard does not hold it, and will not before it is heard again.
type OperatorOverride struct{ Token int }

// Unpin gives the token back to policy.
type Unpin struct{ Token int }

// SetBits replaces a token's bits.
type SetBits struct {
	Token int
	Bits  Bits
}

// Adopt says at start that the resource is up from an earlier run whose lease
// has not ended.
type Adopt struct {
	Token  int
	Epoch  uint64
	Expiry clock.Instant // of the lease
	Tenure time.Duration
	Pinned bool
}

// RestoreRecord brings at start the record of a token from the disk, and the epoch that an earlier run
// of this boot granted last, 0 if none is known.
type RestoreRecord struct {
	Token  int
	Record Record
	Seen   uint64
}

// Booted says that all that an earlier run left has been told.
type Booted struct{}

// RecordPersisted answers Record.
type RecordPersisted struct {
	Token int
	OK    bool
}

// EpochsReserved answers Reserve: counters up to HighWater may be granted.
type EpochsReserved struct {
	HighWater uint64
	Timed     bool
	OK        bool
}

// ClockFloor is the time of day in eighths of a second since 2026. It is trusted if the kernel
// calls the clock synchronised, or if it is within a second of such a peer's.
type ClockFloor struct {
	Floor   uint64
	Trusted bool
}

// BumpRevision makes a new revision although no claim changed. A peer that acknowledges it has
// all that was sent with it.
type BumpRevision struct{}

// Reconfigure replaces the tokens by those of a new configuration. A token
// keeps its number as long as the machine lives; one that is gone is dropped.
type Reconfigure struct{ Tokens []Spec }

// ProbeAnswered says which node answered an address probe; Peer 0 is a stranger. Asked is the
// time of the probe. The answer is no proof; MAC is its sender.
type ProbeAnswered struct {
	Token int
	Peer  uint8
	Asked clock.Instant
	MAC   [6]byte
}

// PeerProbes says that a peer's own ask for the resource was seen.
type PeerProbes struct {
	Token int
	Peer  uint8
}

// Proved says that a neighbour was seen to know where the resource is now.
type Proved struct {
	Token int
	Epoch uint64
}

// Resumed says that the node did not run for longer than a dead time.
type Resumed struct{}

// Batch is a list of events that happened together. The machine takes in all of them before it
// decides, so that a batch costs no more than one event.
type Batch []Event

func (Tick) event()              {}
func (Report) event()            {}
func (SessionPending) event()    {}
func (LateStep) event()          {}
func (NetworkForwarding) event() {}
func (Up) event()                {}
func (Failed) event()            {}
func (Down) event()              {}
func (Expired) event()           {}
func (Eligibility) event()       {}
func (NodeEligibility) event()   {}
func (BlockFailback) event()     {}
func (Move) event()              {}
func (OperatorOverride) event()  {}
func (Unpin) event()             {}
func (SetBits) event()           {}
func (Adopt) event()             {}
func (RestoreRecord) event()     {}
func (Booted) event()            {}
func (RecordPersisted) event()   {}
func (EpochsReserved) event()    {}
func (ClockFloor) event()        {}
func (BumpRevision) event()      {}
func (Reconfigure) event()       {}
func (ProbeAnswered) event()     {}
func (PeerProbes) event()        {}
func (Proved) event()            {}
func (Resumed) event()           {}
func (Batch) event()             {}
