package sharedip

import (
	"fmt"
	"net/netip"
	"vipd/sharedip/rtnl"
)

// Values of arp_ignore (the kernel's Documentation/networking/ip-sysctl.rst).
const (
	sameNetworkOnly = 2 // answers whom an address of the interface shares a network with
	noHostScope     = 3 // answers for no address of scope host
	noAnswer        = 8 // answers for none
)

// strict is the rp_filter that drops what would be answered through another interface.
const strict = 1

// hindrance returns why a could not be put on l, or not be reached there, though l may
// carry a signal; nil if nothing is known.
func (h *AddressManager) hindrance(v *rtnl.Host, l rtnl.Link, a Address) error {
	text := ""
	switch {
	case !l.Ethernet:
		text = fmt.Sprintf("%s is no Ethernet interface: nobody can be told where the address is", l.Name)
	case l.NoARP:
		text = fmt.Sprintf("%s neither asks nor answers by ARP: ip link set %s arp on", l.Name, l.Name)
	case a.Prefix.Addr().Is4():
		text = h.hindrance4(v, l, a.Prefix.Addr())
	default:
		text = hindrance6(l)
	}
	if text == "" {
		return nil
	}
	return unable{a.Prefix.Addr(), text}
}

// unable is an ErrUnable with its reason.
type unable struct {
	addr netip.Addr
	text string
}

func (u unable) Error() string { return fmt.Sprintf("%s: %s", u.addr, u.text) }

func (u unable) Is(target error) bool { return target == ErrUnable }

func hindrance6(l rtnl.Link) string {
	switch {
	case l.DisabledIPv6:
		return fmt.Sprintf("IPv6 is off on %s: set net.ipv6.conf.%s.disable_ipv6 to 0", l.Name, l.Name)
	case !l.IPv6:
		return fmt.Sprintf("the kernel has no IPv6 on %s: it needs IPv6 and an MTU of 1280 at least", l.Name)
	}
	return ""
}

func (h *AddressManager) hindrance4(v *rtnl.Host, l rtnl.Link, addr netip.Addr) string {
	if !l.IPv4 {
		return fmt.Sprintf("the kernel has no IPv4 on %s", l.Name)
	}
	arpIgnore, where := max(v.All.ARPIgnore, l.ARPIgnore), l.Name
	if v.All.ARPIgnore == arpIgnore {
		where = "all"
	}
	setting := fmt.Sprintf("net.ipv4.conf.%s.arp_ignore is %d", where, arpIgnore)
	switch {
	case arpIgnore == noAnswer:
		return setting + ", so the kernel answers no ARP request: set it to 0, 1 or 2"
	case arpIgnore == noHostScope:
		return setting + ", so the kernel answers no ARP request for a shared address, whose scope is host: set it to 0, 1 or 2"
	case arpIgnore == sameNetworkOnly && !rtnl.IsConnected(v, l.Index, addr):
		return setting + fmt.Sprintf(", so the kernel answers nobody on a network where %s has no address of this host: set it to 0 or 1, or give this host one", l.Name)
	}
	return h.otherWay(v, l, addr, arpIgnore)
}

// otherWay returns why clients on the network of addr are not answered when the kernel
// reaches them through another interface than l.
func (h *AddressManager) otherWay(v *rtnl.Host, l rtnl.Link, addr netip.Addr, arpIgnore uint32) string {
	filtered := arpIgnore > 0 && (v.All.ARPFilter || l.ARPFilter)
	reverse := max(v.All.ReversePathFilter, l.ReversePathFilter) == strict
	if !filtered && !reverse {
		return ""
	}
	own, ok := v.OwnNetwork(l.Index, addr)
	if !ok {
		return ""
	}
	index, err := v.OutgoingLink(h.kernel, own)
	other, known := v.LinkByIndex(index)
	if err != nil || index == l.Index || !known {
		return ""
	}
	setting := "arp_filter"
	if reverse {
		setting = "rp_filter"
	}
	return fmt.Sprintf("the kernel reaches %s through %s, and with %s on it answers no client there on %s: set net.ipv4.conf.*.%s to 0, or interface to %s",
		own.Masked(), other.Name, setting, l.Name, setting, other.Name)
}
