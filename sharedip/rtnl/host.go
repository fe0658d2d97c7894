package rtnl

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// LinkState is what the kernel says of one interface.
type LinkState struct {
	Index   int
	Name    string
	MAC     net.HardwareAddr
	Up      bool // set up by the administrator
	Carrier bool // and a signal is on the cable
}

// Link is a LinkState with the settings that decide how it answers.
type Link struct {
	LinkState
	Ethernet   bool // neighbours are asked for by ARP and NDP
	Forwarding bool // net.ipv6.conf.*.forwarding: neighbours may use it as a router
	Settings
}

// Address is one address as the kernel lists it.
type Address struct {
	Index  int
	Prefix netip.Prefix // with the host's own bits
	Scope  uint8        // RT_SCOPE_*
	Valid  uint32       // seconds left, or Forever
}

// Forever is the Valid of an address without a lifetime.
const Forever = math.MaxUint32

// MaxLifetime is the longest that a shared address may live in the kernel without being
// renewed. An address of host length with no more left is a shared one.
const MaxLifetime = 30 * time.Second

// IsShared reports whether the address can only have been added as a shared address:
// of host length, and to live no longer than MaxLifetime.
func (a Address) IsShared() bool {
	return a.Prefix.IsSingleIP() && a.Valid <= uint32(MaxLifetime/time.Second)
}

// Host is the interfaces and addresses of this host at one moment.
type Host struct {
	All       Settings // that hold for every interface; the caller sets it
	Links     []Link
	Addresses []Address            // but for the shared ones
	Shared    []Address            // IsShared, added by this process or an earlier one
	LinkLocal []netip.Addr         // configured shared ones; the caller sets it
	Outgoing  map[netip.Prefix]int // by which interface neighbours of an own address are reached
}

// LinkByIndex returns the interface with that number.
func (h *Host) LinkByIndex(index int) (Link, bool) {
	for _, l := range h.Links {
		if l.Index == index {
			return l, true
		}
	}
	return Link{}, false
}

// HasLink reports whether an interface has that name.
func (h *Host) HasLink(name string) bool {
	return slices.ContainsFunc(h.Links, func(l Link) bool { return l.Name == name })
}

// ReadHost reads all interfaces and addresses.
func (c *Conn) ReadHost() (*Host, error) {
	h := &Host{}
	err := c.dump(unix.RTM_GETLINK, linkRequest(0), func() { h.Links = nil }, func(data []byte) {
		if l, ok := parseLink(data); ok {
			h.Links = append(h.Links, l)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	err = c.dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg), func() { h.Addresses, h.Shared = nil, nil }, func(data []byte) {
		if a, ok := parseAddress(data); ok && a.IsShared() {
			h.Shared = append(h.Shared, a)
		} else if ok {
			h.Addresses = append(h.Addresses, a)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return h, nil
}

// Link reads one interface. The carrier in it is the driver's own word, which
// can be 0.8 s ahead of the kernel's event.
func (c *Conn) Link(index int) (Link, error) {
	data, err := c.get(unix.RTM_GETLINK, linkRequest(index))
	if err != nil {
		return Link{}, err
	}
	l, ok := parseLink(data)
	if !ok {
		return Link{}, unix.ENODEV
	}
	return l, nil
}

// HasMAC reports whether an interface has that hardware address.
func (h *Host) HasMAC(mac [6]byte) bool {
	return slices.ContainsFunc(h.Links, func(l Link) bool { return string(l.MAC) == string(mac[:]) })
}

// IsConnected reports whether the interface has a network that contains addr. The
// address itself, as /32 or /128, is no network.
func IsConnected(h *Host, index int, addr netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a Address) bool {
		return a.Index == index && !a.Prefix.IsSingleIP() && a.Prefix.Contains(addr)
	})
}

// LinkNames lists the names of interfaces, for a message.
func LinkNames(links []Link) string {
	var s []string
	for _, l := range links {
		s = append(s, l.Name)
	}
	return strings.Join(s, ", ")
}

// Describe lists the interfaces with the networks they are on.
func (h *Host) Describe() string {
	var s []string
	for _, l := range h.Links {
		words := []string{l.Name}
		for _, a := range h.Addresses {
			if a.Index == l.Index && !a.Prefix.Addr().IsLinkLocalUnicast() {
				words = append(words, a.Prefix.String())
			}
		}
		if len(words) == 1 {
			words = append(words, "without address")
		}
		s = append(s, strings.Join(words, " "))
	}
	return strings.Join(s, ", ")
}

// OneNetwork reports whether one network of the interface contains both.
func OneNetwork(h *Host, index int, one, other netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a Address) bool {
		return a.Index == index && a.Prefix.Contains(one) && a.Prefix.Contains(other)
	})
}
