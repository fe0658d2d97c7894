package node

import (
	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// Event is something that happened. The machine takes its own events below,
// heartbeat.Received, those of package services but Grant, Revoke and Reconfigure,
// and from the effectors token.Up, Failed, Down, RecordPersisted,
// EpochsReserved, Adopt, RestoreRecord, Eligibility, NetworkForwarding, ProbeAnswered and
// PeerProbes, or a Batch of them.
type Event any

// Tick is the passing of time: the deadline was reached.
type Tick struct{}

// Verb is an order of an operator.
type Verb uint8

// The verbs.
const (
	Move    Verb = 1 + iota // the token to the node
	Unpin                   // the token back to policy
	Suspend                 // the node
	Resume                  // the node
	Halt                    // the token's group on the node: it lets go and stays away
	Begin                   // end that, and forgive the group its failures
	Take                    // the node takes a token that no heard node holds: the operator answers for the others
	Renew                   // the token's group on the node stops and starts under its grant
)

// ofToken reports whether the verb is about a token.
func (v Verb) ofToken() bool { return v != Suspend && v != Resume }

// Command is an operator's order, answered by exactly one Reply.
type Command struct {
	ID    uint64
	Verb  Verb
	Token int
	Node  uint8
}

// Stop gives everything away; Exit follows when that is done and known.
type Stop struct{}

// Restart announces a short absence; Reexec follows when every peer knows.
type Restart struct{}

// Suspended sets at start whether the disk remembers a suspension.
type Suspended struct{ On bool }

// Synced brings the time of day, and whether the kernel calls this host's clock
// synchronised.
type Synced struct {
	On   bool
	Wall clock.Wall
}

// Local replaces this node's description of its host for the peers: the hardware addresses of
// its interfaces. The list is not changed after it is handed over.
type Local struct{ MACs []heartbeat.MAC }

// Reload replaces the tokens, the services and the digest by those of a new
// configuration.
type Reload struct {
	Tokens   []token.Spec
	Services Services
	Digest   uint64
}

// StoppedGroups sets at start the groups that operators have stopped, from the disk.
type StoppedGroups struct{ Names []string }

// Action is something to do, in order. It is one of this package's actions
// below, heartbeat.Send, heartbeat.SessionReplaced, or token.Acquire, Drop, Announce,
// Lease, *Leases, Store and Reserve; Acquire and Drop of a group's token are told and need no
// doing. Of services it is Start, Stop, Probe, Changed and Failed.
type Action any

// Payload replaces the contents of the beats after a change. It comes before the
// Send that needs it. Its lists stay as they are, itself it is valid until the next Step.
type Payload struct{ heartbeat.Payload }

// Reply answers a Command.
type Reply struct {
	ID  uint64
	Why token.Refusal // Accepted: done
	// Late is set when time ran out before it was done.
	Late bool
}

// KeepSuspended asks the disk to remember whether the node is suspended.
type KeepSuspended struct{ On bool }

// Exit says that this node holds no token any more and that the peers know.
type Exit struct{}

// Reexec says that the daemon may replace itself. Awaited says that every
// node that could take a held token knows of it and will wait: only then may the leases
// that have not ended be extended by Grace from now.
type Reexec struct{ Awaited bool }

// KeepStoppedGroups asks the disk to remember whether an operator stopped the token.
type KeepStoppedGroups struct {
	Name string
	On   bool
}

// Flush asks for the datagrams in the sockets to be thrown away.
type Flush struct{}

// PeerEvent is an event of a peer, for the journal.
type PeerEvent struct {
	Peer uint8
	Kind PeerEventKind
}

// PeerEventKind can happen to a peer.
type PeerEventKind uint8

// The things worth a line in the journal.
const (
	PeerHeard PeerEventKind = 1 + iota
	PeerSilent
	PeerRestarted
	EpochRefused
	ConfigDiffers
	ConfigAgrees
	ClockBeyond
	ClockWithin
	Froze
)

// String returns it in plain words.
func (w PeerEventKind) String() string {
	return [...]string{"", "heard", "silent", "restarted", "speaks of an epoch that can't be true", "configuration differs", "configuration agrees",
		"clock more than one second off", "clock within one second", "this node did not run for longer than a dead time"}[w]
}
