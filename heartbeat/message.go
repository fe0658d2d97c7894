package heartbeat

import (
	"time"

	"vipd/heartbeat/clock"
)

// WireVersion is the version of the layout in wire.go. Additions need no new one: a
// receiver skips unknown parts.
const WireVersion = 2

// Bounds of one message.
const (
	MaxNodes   = 32   // nodes of a cluster; slots are 1..255
	MaxPaths   = 8    // paths between two nodes
	MaxSize    = 1280 // octets of one message before sealing
	MaxClaims  = 1000 // tokens of a cluster
	MaxVersion = 24   // octets of the software version
	MaxOrders  = 4    // orders and receipts carried at a time
	MaxKeys    = 4    // key ids that a node has
	MaxMACs    = 64   // hardware addresses that a node has; a message carries some of them in turn
	maxEchoes  = MaxNodes - 1 + maxPending
	maxStarts  = 2   // starts of nodes carried at a time
	maxPages   = 384 // messages that take the claims of a cluster of MaxNodes
)

// Kind is the demand of a message on its receiver.
type Kind uint8

// The kinds of message.
const (
	Beat  Kind = 1 + iota // sent every interval; echoed at once
	Query                 // sent after silence; echoed at once
	Reply                 // the echo; not answered
)

// State is the state of a node as a whole.
type State uint8

// The states of a node.
const (
	Starting   State = 1 + iota // listens, makes no claim
	Up                          // takes part
	Suspended                   // an operator took it out
	Stopping                    // is giving everything away before it exits
	Restarting                  // will be back within Absence, with its tokens
)

// String returns the word that status shows.
func (s State) String() string {
	if s == 0 || s > Restarting {
		return "unknown"
	}
	return [...]string{"", "starting", "up", "suspended", "stopping", "restarting"}[s]
}

// Message is the unit of exchange between nodes. The seal adds the sender and its session, so
// neither stands here.
type Message struct {
	Kind          Kind
	State         State
	Path          uint8         // the sender's path it left on, from 0
	Synced        bool          // the sender's kernel calls its clock synchronised
	Leased        bool          // the sender's kernel silences its resources when its daemon dies
	RequestClaims bool          // the sender lacks pages of the receiver's claims
	Absence       time.Duration // Restarting: how long it may be silent
	Dead          time.Duration // the sender's dead time
	Interval      time.Duration // the sender's interval
	Seq           uint64        // number of this send in the session, from 1
	Sent          clock.Instant // the sender's boot clock at the send
	Wall          clock.Wall    // the sender's wall clock at the send
	Digest        uint64        // of the configuration
	Boot          uint64        // names the boot that the sender's host is in, 0 if it is not known
	Build         string        // software version

	Echoes   []PeerEcho
	Starts   []Start
	Orders   []Order
	Receipts []Receipt
	Keys     []uint32 // ids of the keys that the sender opens with; the one it seals with is the first
	MACs     []MAC    // the sender's hardware addresses, or some of them

	Revision uint32 // counts changes of the claims in this session
	Page     uint16 // which page of the revision Claims holds, from 0
	Pages    uint16 // how many pages there are; 0: no claims in this message
	Claims   []Claim
}

// MACKind names the interface of a node that has a hardware address.
type MACKind uint8

// The kinds of interface; a receiver keeps those that it does not know.
const (
	PathMAC   MACKind = 1 + iota // of a path, by its number
	ClientMAC                    // one on which the sender may have a shared address, counted from 0
)

// MAC is the hardware address of one interface of a node.
type MAC struct {
	Kind    MACKind
	Index   uint8
	Address [6]byte
}

// PeerEcho is the echo of one peer's sends.
type PeerEcho struct {
	Slot     uint8
	Pending  bool          // the session has yet to prove itself: it does not count, so no lease may rest on this
	Paths    uint8         // bit i: heard on path i within the dead time
	Session  uint64        // the peer's session
	Revision uint32        // newest revision of the peer's claims that the sender has whole
	Sent     clock.Instant // Sent of the peer's newest beat or ask, on its boot clock
	At       clock.Wall    // the sender's wall clock when that arrived, 0 if that is not known or over 4 s ago
}

// Start is the greatest start of a node's sessions that another node knows of. A
// session below it is not listened to, and its sender has to begin a later one.
type Start struct {
	Slot  uint8
	Start uint64
}

// Claim is one token's state on the sender, as token.Claim has it.
type Claim struct {
	Token    uint64 // 64-bit FNV-1a of the token's name
	Phase    uint8
	Verb     uint8
	To       uint8 // slot that Verb addresses
	Flags    uint8
	Reasons  uint32        // why the sender is not eligible, one bit each
	Epoch    uint64        // of the sender's grant
	Seen     uint64        // highest epoch granted or seen
	About    uint64        // epoch that Verb speaks of
	Since    clock.Instant // held without a break since, on the sender's boot clock; 0 if not held
	Priority int32         // that the sender applies for itself
}

// Order asks another node to carry out an operator's order that was given here; it is repeated
// in every message until a receipt for it comes back.
type Order struct {
	Slot  uint8 // the node that is to do it
	Verb  uint8
	To    uint8  // a node it names, or 0
	ID    uint32 // unique in the sender's session
	Token uint64 // a token it names, or 0
}

// Receipt answers an Order.
type Receipt struct {
	Slot   uint8 // the node that ordered
	Result uint8 // 0 accepted, else the refusal's number
	ID     uint32
}

// Echo returns the message's echo of the given node and session.
func (m *Message) Echo(slot uint8, session uint64) (PeerEcho, bool) {
	for _, h := range m.Echoes {
		if h.Slot == slot && h.Session == session {
			return h, true
		}
	}
	return PeerEcho{}, false
}
