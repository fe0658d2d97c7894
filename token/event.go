package token

import (
	"time"

	"vipd/heartbeat/clock"
)

// Event is something that happened.
type Event interface{ event() }

// Tick is the passing of time: the deadline was reached, and nothing that came since the
// step before waits unread.
type Tick struct{}

// Word is a peer's message that counts.
type Word struct {
	Peer    uint8
	Hold    time.Duration // it announced that it may be silent for so long
	Dead    time.Duration // its own dead time
	Leased  bool          // its kernel silences what it holds when its daemon dies
	Echoed  clock.Instant // our newest send that this message echoes, 0 if none: leases count from it
	Proof   clock.Instant // the same or, beyond it, a send that did not count for the peer yet: it hears us
	Waited  time.Duration // how long it lay in this host's socket
	Silence time.Duration // how long nothing had been heard of it before
	New     bool          // first of a new session
	Fresh   bool          // newer than every earlier one: only then does it count as heard
	Spoken  bool          // by itself, a beat or an ask: it is echoed, and leases count from it
	Knows   uint32        // the newest edition of our claims that the peer has whole
	Changed bool          // Claims is set: they are others than before
	Claims  []Claim       // by the tokens' numbers
	Current bool          // the claims known of it are those it has now
}

// Audible says that a session of the peer was heard which has not proved itself, but may
// be its present one. The peer is not silent then, but what it said is not known.
type Audible struct {
	Peer  uint8
	Later bool // it began after all that have proved themselves
}

// Stall (rule T1) says that the node ran late: words of the peer may wait unread, so it is not silent.
type Stall struct{ Peer uint8 }

// Foreign says that a frame of another host was seen: the link forwards.
type Foreign struct{}

// Up says that the hands have put the resource up and announced it.
type Up struct {
	Token int
	Epoch uint64
}

// Failed says that the hands could not, or can no more: nothing of it is left up.
type Failed struct {
	Token int
	Epoch uint64
	Cause Cause // NoCause: AddressFailed
}

// Down says that the hands have removed the resource, and that is confirmed.
type Down struct{ Token int }

// Ended says that the lease had run out before a send could renew it.
type Ended struct {
	Token int
	Epoch uint64
}

// Fitness replaces the node's own reasons against one token.
type Fitness struct {
	Token   int
	Reasons Reason
}

// Standing replaces the reasons that hold for every token of the node.
type Standing struct{ Reasons Reason }

// Gate closes or opens the way of automatic moves to a peer.
type Gate struct {
	Peer   uint8
	Closed bool
}

// Move is an operator's wish, given to the holder.
type Move struct {
	Token int
	To    uint8
}

// Vouch is an operator's word, given to who is to take the token: every node that is
// not heard holds nothing, and will not before it is heard again.
type Vouch struct{ Token int }

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

// Recall says at start what the disk knows of a token, and the epoch that an earlier run
// of this boot granted last, 0 if none is known.
type Recall struct {
	Token  int
	Record Record
	Seen   uint64
}

// Booted says that all that an earlier run left has been told.
type Booted struct{}

// Recorded answers Record.
type Recorded struct {
	Token int
	OK    bool
}

// Reserved answers Reserve: counters up to HighWater may be granted.
type Reserved struct {
	HighWater uint64
	Timed     bool
	OK        bool
}

// ClockFloor says what the time of day is, in eighths of a second since 2026, and whether
// it is trusted: synchronised, or within a second of a peer's that is.
type ClockFloor struct {
	Floor   uint64
	Trusted bool
}

// Restate makes a new edition although no claim changed: whoever knows it knows
// whatever else was said with it.
type Restate struct{}

// Reconfigure replaces the tokens by those of a new configuration. A token
// keeps its number as long as the machine lives; one that is gone is dropped.
type Reconfigure struct{ Tokens []Spec }

// Answered says who answered an ask for the token's resource: Peer 0 is a
// stranger. Asked is when the ask was sent. The answer is no proof: MAC is what gave it.
type Answered struct {
	Token int
	Peer  uint8
	Asked clock.Instant
	MAC   [6]byte
}

// PeerAsks says that a peer's own ask for the resource was seen.
type PeerAsks struct {
	Token int
	Peer  uint8
}

// Proved says that a neighbour was seen to know where the resource is now.
type Proved struct {
	Token int
	Epoch uint64
}

// Thaw says that the node did not run for longer than a dead time.
type Thaw struct{}

// Several is what happened at once: what follows from it is decided when all of it has
// been taken in, so that it costs no more than one event does.
type Several []Event

func (Tick) event()        {}
func (Word) event()        {}
func (Audible) event()     {}
func (Stall) event()       {}
func (Foreign) event()     {}
func (Up) event()          {}
func (Failed) event()      {}
func (Down) event()        {}
func (Ended) event()       {}
func (Fitness) event()     {}
func (Standing) event()    {}
func (Gate) event()        {}
func (Move) event()        {}
func (Vouch) event()       {}
func (Unpin) event()       {}
func (SetBits) event()     {}
func (Adopt) event()       {}
func (Recall) event()      {}
func (Booted) event()      {}
func (Recorded) event()    {}
func (Reserved) event()    {}
func (ClockFloor) event()  {}
func (Restate) event()     {}
func (Reconfigure) event() {}
func (Answered) event()    {}
func (PeerAsks) event()    {}
func (Proved) event()      {}
func (Thaw) event()        {}
func (Several) event()     {}
