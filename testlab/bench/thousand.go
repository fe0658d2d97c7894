package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"

	"vipd/testlab/pair"
)

// wide is the network of the addresses that have no room in the first.
var wide = netip.MustParsePrefix("10.7.0.0/16")

// thousandAddresses is manyAddresses with more than a neighbour cache holds: all but
// those of the service LAN are asked for by way of the host that is to have them.
func (t *trial) thousandAddresses() error {
	addresses := []netip.Addr{pair.Shared.Addr()}
	for i := range 999 {
		addresses = append(addresses, extraAddress(i).Addr())
	}
	return t.sweepAddresses(addresses)
}

// askBy leads the client's questions for wide to a host.
func (t *trial) askBy(n *pair.Node) error {
	handle := t.Client.Handle()
	card, err := handle.LinkByName(t.Front.Name())
	if err != nil {
		return err
	}
	by := n.Address().Addr()
	err = handle.RouteReplace(&netlink.Route{
		LinkIndex: card.Attrs().Index, Gw: by.AsSlice(),
		Dst: &net.IPNet{IP: wide.Addr().AsSlice(), Mask: net.CIDRMask(wide.Bits(), wide.Addr().BitLen())},
	})
	if err != nil {
		return fmt.Errorf("lead %s to %s: %w", wide, by, err)
	}
	return nil
}
