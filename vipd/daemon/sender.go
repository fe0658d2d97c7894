package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// sender is where a message came from: an address and a port, or a hardware address on
// an interface of the clients' network.
type sender struct {
	addr netip.AddrPort // of a datagram
	mac  [6]byte        // of a frame
	link string         // the frame's interface, "" of a datagram
}

// host is the sender without its port: one with many ports is one sender.
func (s sender) host() sender {
	if s.framed() {
		return s
	}
	return sender{addr: netip.AddrPortFrom(s.addr.Addr(), 0)}
}

// framed reports whether the message came in a frame.
func (s sender) framed() bool { return s.link != "" }

// crowd stands for all senders of frames on the interface for which there is no place.
func (s sender) crowd() sender { return sender{link: s.link} }

// String names the sender, without its port.
func (s sender) String() string {
	switch {
	case !s.framed():
		return s.addr.Addr().String()
	case s == s.crowd():
		return "a sender with many hardware addresses on " + s.link
	}
	return fmt.Sprintf("%s on %s", net.HardwareAddr(s.mac[:]), s.link)
}

// withPort names the sender with its port, if it has one.
func (s sender) withPort() string {
	if s.framed() {
		return s.String()
	}
	return s.addr.String()
}

// station is a hardware address as it is seen on an interface.
type station struct {
	link string
	mac  [6]byte
}

// stations are the nodes' own addresses by the hardware address that has shown them.
type stations map[station]netip.Addr

// noteStations asks the hands where the nodes' own addresses are, if a frame could not be
// opened since it was asked last. A dump of a table must not keep the loop waiting.
func (d *Daemon) noteStations() {
	if d.hands == nil || !d.stationsWanted.Swap(false) {
		return
	}
	now := stations{}
	for _, s := range d.hands.Stations() {
		if link := interfaceByIndex(s.Index); link != nil {
			now[station{link.Name, s.MAC}] = s.Addr
		}
	}
	d.stations.Store(&now)
}

// identify finds the node that has the sender's address, 0 if none is known to have it.
// A frame of a node whose own address was seen at the same place is as a datagram from
// that address. It runs on the loop's goroutine.
func (d *Daemon) identify(s sender) (uint8, sender) {
	if !s.framed() {
		return d.cluster().SlotOf(s.addr.Addr()), s.host()
	}
	d.stationsWanted.Store(true)
	if known := d.stations.Load(); known != nil {
		if addr, ok := (*known)[station{s.link, s.mac}]; ok {
			return d.cluster().SlotOf(addr), sender{addr: netip.AddrPortFrom(addr, 0)}
		}
	}
	return d.loop.nodeOf(s.mac), s
}

// framePatience is how long a sender of frames that is no known node is watched before it
// is named: until then its place may be found to be a node's.
const framePatience = 2500 * time.Millisecond
