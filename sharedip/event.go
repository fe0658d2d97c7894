package sharedip

import (
	"net"
	"net/netip"
	"time"
)

// Event is told to Options.Event: one of the types below.
type Event interface{ event() }

// AddressGone says that someone else removed a held address, and that it has
// been put back. Removals is how often in the last ten seconds.
type AddressGone struct {
	Token    string
	Prefix   netip.Prefix
	Removals int
}

// AddressLost says that someone else removed a held address, and why it could
// not be put back.
type AddressLost struct {
	Token  string
	Prefix netip.Prefix
	Err    error
}

// Fought says that someone keeps removing an address of Token. It is neither
// put back nor renewed any more: hand the token over.
type Fought struct{ Token string }

// AnnounceFailed says that an address is held but the LAN could not be told,
// once until the next success. The announcement is tried again by itself.
type AnnounceFailed struct {
	Token  string
	Prefix netip.Prefix
	Err    error
}

// LinkUp says that an interface in use carries a signal, LinkDown that it does
// not, or that it is gone. The first word on each interface is told as well.
type (
	LinkUp   struct{ Interface string }
	LinkDown struct{ Interface string }
)

// SettingsChanged says that settings of an interface in use changed which decide
// whether its addresses can be put on and reached: ask Ready again. The interface is ""
// for settings that hold for every one.
type SettingsChanged struct{ Interface string }

// Standing says which addresses of Token are on this host though it was not this
// process that put them there, or though the token is not held; none: no more. Interfaces
// are those by which the kernel would answer for them.
type Standing struct {
	Token      string
	Spots      []Spot
	Interfaces []int
}

// Answered says that MAC has an address of Token: it answered a question for it,
// or spoke with it as sender. Told once for each MAC after every Ask, and at most
// ten times a second without one.
type Answered struct {
	Token  string
	Prefix netip.Prefix
	MAC    net.HardwareAddr
	By     netip.Addr // the node's own address whose MAC it is; zero: no node's
	At     time.Time  // when it was read, so never too early
}

// PeerAsks says that the node with the address By asks the LAN for an address of
// Token. Told at most a thousand times a second.
type PeerAsks struct {
	Token string
	By    netip.Addr
	At    time.Time
}

// Claimed says that MAC claims an address: a foreign one, or while the address is
// held here, another node's. A foreign claim on a held address is defended. Told
// once a second for each address and MAC, and for the first eight of a token.
type Claimed struct {
	Token  string
	Prefix netip.Prefix
	MAC    net.HardwareAddr
	By     netip.Addr // the node's own address whose MAC it is; zero: foreign
}

// Proved says that a neighbour knows where the address is: By answered a question
// from it, to our MAC, or, where nobody is there to be asked, sent a packet to it.
// Told for each neighbour after every Take, Announce and defence; later only when
// that neighbour had been silent. Took is the time since then.
type Proved struct {
	Token  string
	Prefix netip.Prefix
	By     netip.Addr
	Took   time.Duration
}

// Unproved says that Silent has not answered questions from the address for five
// seconds. It is asked again at each refresh. Silent is zero where nobody is there
// to be asked, and nothing was sent to the address: that is no cause for alarm.
type Unproved struct {
	Token  string
	Prefix netip.Prefix
	Silent netip.Addr
}

func (AddressGone) event()     {}
func (AddressLost) event()     {}
func (Fought) event()          {}
func (AnnounceFailed) event()  {}
func (LinkUp) event()          {}
func (SettingsChanged) event() {}
func (Standing) event()        {}
func (LinkDown) event()        {}
func (Answered) event()        {}
func (PeerAsks) event()        {}
func (Claimed) event()         {}
func (Proved) event()          {}
func (Unproved) event()        {}
