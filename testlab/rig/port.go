package rig

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkLimit is how long a new or repaired cable may take to carry.
const linkLimit = 5 * time.Second

// Port is a network card of a host and the cable from it to a switch.
type Port struct {
	host *Host
	sw   *Switch
	name string // of the card, inside the host
	jack string // of the cable's other end, inside the switch
	mac  net.HardwareAddr
	home []netip.Prefix // the addresses it was plugged in with
}

// Name is the card's name inside its host.
func (p *Port) Name() string { return p.name }

// MAC is the card's hardware address.
func (p *Port) MAC() net.HardwareAddr { return p.mac }

// Host is the machine the card is in.
func (p *Port) Host() *Host { return p.host }

// Index is the card's interface index inside its host.
func (p *Port) Index() int {
	link, err := p.host.space.handle.LinkByName(p.name)
	if err != nil {
		p.broken("find", err)
	}
	return link.Attrs().Index
}

// Down pulls the cable: the host sees its carrier go.
func (p *Port) Down() {
	if err := p.atSwitch((*netlink.Handle).LinkSetDown); err != nil {
		p.broken("pull the cable of", err)
	}
}

// Up puts the cable back and returns when the host sees its carrier.
func (p *Port) Up() {
	err := p.atSwitch((*netlink.Handle).LinkSetUp)
	if err == nil {
		err = p.awaitCarrier()
	}
	if err != nil {
		p.broken("put back the cable of", err)
	}
}

func (p *Port) broken(what string, err error) {
	p.host.lab.broken(fmt.Errorf("%s %s %s: %w", what, p.host.name, p.name, err))
}

// plug makes the cable and configures the card.
func (p *Port) plug() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = p.jack
	attrs.MasterIndex = p.sw.bridge.Index
	cable := &netlink.Veth{
		LinkAttrs: attrs, PeerName: p.name, PeerHardwareAddr: p.mac,
		PeerNamespace: netlink.NsFd(p.host.space.network()),
	}
	if err := p.sw.space.handle.LinkAdd(cable); err != nil {
		return fmt.Errorf("add veth pair: %w", err)
	}
	if err := p.sw.space.handle.LinkSetUp(cable); err != nil {
		return fmt.Errorf("set switch end up: %w", err)
	}
	handle := p.host.space.handle
	card, err := handle.LinkByName(p.name)
	if err != nil {
		return fmt.Errorf("find card: %w", err)
	}
	if err := handle.LinkSetUp(card); err != nil {
		return fmt.Errorf("set card up: %w", err)
	}
	for _, a := range p.home {
		if err := handle.AddrAdd(card, interfaceAddress(a)); err != nil {
			return fmt.Errorf("add address %s: %w", a, err)
		}
	}
	return p.awaitCarrier()
}

// unplug removes cable and card. That both are gone already is fine.
func (p *Port) unplug() {
	err := p.atSwitch((*netlink.Handle).LinkDel)
	if err != nil && !errors.As(err, &netlink.LinkNotFoundError{}) {
		p.broken("unplug", err)
	}
}

// atSwitch does something to the switch's end of the cable.
func (p *Port) atSwitch(what func(*netlink.Handle, netlink.Link) error) error {
	link, err := p.sw.space.handle.LinkByName(p.jack)
	if err != nil {
		return err
	}
	return what(p.sw.space.handle, link)
}

// awaitCarrier returns when both ends of the cable call themselves operational: the
// kernel tells them one after the other, and a switch passes no frame before.
func (p *Port) awaitCarrier() error {
	for end := time.Now().Add(linkLimit); ; time.Sleep(time.Millisecond) {
		card, err := p.host.space.handle.LinkByName(p.name)
		if err != nil {
			return err
		}
		jack, err := p.sw.space.handle.LinkByName(p.jack)
		if err != nil {
			return err
		}
		if card.Attrs().OperState == netlink.OperUp && jack.Attrs().OperState == netlink.OperUp {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("no carrier after %v", linkLimit)
		}
	}
}

// interfaceAddress turns a prefix into netlink's form; IPv6 without duplicate address
// detection, else the address can't be used for more than a second.
func interfaceAddress(prefix netip.Prefix) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}}
	if prefix.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// hardwareAddress makes up a locally administered address from the names of host and
// card, so that a host has the same ones after every boot.
func hardwareAddress(host, card string) net.HardwareAddr {
	sum := fnv.New32a()
	sum.Write([]byte(host + "/" + card))
	return sum.Sum([]byte{0x02, 0x76})
}
