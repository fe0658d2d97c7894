package sharedip

import "net/netip"

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

func (AddressGone) event()    {}
func (AddressLost) event()    {}
func (Fought) event()         {}
func (AnnounceFailed) event() {}
func (LinkUp) event()         {}
func (LinkDown) event()       {}
