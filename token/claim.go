package token

import "time"

// Phase is how far a node is with holding a token.
type Phase uint8

// The phases. From Taking to Dropping the resource may be there, so a peer
// counts all three as holding.
const (
	Idle Phase = iota
	Taking
	Holding
	Dropping
)

// String returns the word that status shows.
func (p Phase) String() string {
	if p > Dropping {
		return "unknown"
	}
	return [...]string{"standby", "taking", "active", "dropping"}[p]
}

// Verb is a request or an answer that a claim addresses to one other node, about one epoch.
type Verb uint8

// The verbs of the planned move and of a conflict of two holders.
const (
	Silent  Verb = iota
	Offer        // holder to taker: will you have it?
	Accept       // taker to holder: ready
	Decline      // taker to holder: not this epoch, for good
	Release      // former holder to taker: it is yours
	Yield        // holder to holder: your epoch must go
)

// String returns the verb in plain words.
func (v Verb) String() string {
	if v > Yield {
		return "unknown"
	}
	return [...]string{"silent", "offer", "accept", "decline", "release", "yield"}[v]
}

// Reason is a set of causes why a node is not eligible to hold a token.
type Reason uint32

// Hard reasons always drop the token.
const (
	LinkDown     Reason = 1 << iota // the resource's network is gone
	Suspend                         // an operator took the node out
	Stopping                        // the daemon is exiting
	Starting                        // listens, has heard no peer yet
	OneWay                          // hears a peer that does not hear it
	HandsFailed                     // the resource could not be put up
	NoEpoch                         // grants can't be recorded any more
	Released                        // Release Requested is set
	Unconfigured                    // this node's file does not have the token
	GaveUp                          // the group failed again and again; waits for an operator
	Unable                          // a setting of the host keeps the resource from working there
	hard         = Unable<<1 - 1
)

// Soft reasons drop the token only if a peer is eligible.
const (
	CheckFailing Reason = 1 << (16 + iota)
	GroupDown           // a group that the token requires does not run here
	Apart               // the token that it follows is held elsewhere
	TakeFailed          // its last take failed, and the next may
	LeaseOpen           // the kernel does not silence it there when its lease ends
)

// words in the order of the bits.
var reasonWords = map[Reason]string{
	LinkDown: "link down", Suspend: "suspended", Stopping: "stopping", Starting: "starting",
	OneWay: "one-way path", HandsFailed: "could not put it up", NoEpoch: "state not writable",
	Released: "release requested", Unconfigured: "not configured",
	GaveUp: "given up", Unable: "not possible on this host", TakeFailed: "its last take failed", LeaseOpen: "its lease is not in force",
	CheckFailing: "check failing", GroupDown: "a required group does not run", Apart: "what it belongs with is elsewhere",
}

// Words returns the reasons in plain words, in the order of their bits.
func (r Reason) Words() []string {
	var list []string
	for bit := Reason(1); bit != 0; bit <<= 1 {
		if w, ok := reasonWords[bit]; ok && r&bit != 0 {
			list = append(list, w)
		}
	}
	return list
}

// level orders eligibility: 2 eligible, 1 only soft reasons against, 0 ineligible.
func (r Reason) level() int {
	switch {
	case r&hard != 0:
		return 0
	case r != 0:
		return 1
	}
	return 2
}

// Eligible reports whether there is no reason against the node.
func (r Reason) Eligible() bool { return r == 0 }

// Claim is one node's state of one token, as its peers get it.
type Claim struct {
	Phase   Phase
	Verb    Verb
	To      uint8 // whom Verb addresses
	Proved  bool  // a neighbour was seen to know where the resource is
	Pinned  bool  // an operator put it here; no failback
	Reasons Reason
	Epoch   uint64        // of its newest grant
	Seen    uint64        // highest epoch it granted or saw
	About   uint64        // the epoch that Verb speaks of
	Tenure  time.Duration // held without a break

	Bits     Bits // Allow Multiple and Disable Inheritance, as the node applies them
	Promises bool // the node does not take it on silence, even if its file changes
	Priority int  // the node's own, as it applies it
}

// holds reports whether the resource may be up there.
func (c *Claim) holds() bool { return c.Phase != Idle }
