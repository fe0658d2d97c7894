package sharedip

import (
	"fmt"
	"net/netip"
	"vipd/sharedip/rtnl"

	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

// groups holds memberships in solicited-node groups (RFC 4291 section 2.7.1).
// Joined beforehand, the switches already pass a neighbour's solicitation on to
// us at the moment we take the address.
type groups struct {
	fd     int
	joined map[membership]bool
}

type membership struct {
	group netip.Addr
	index int
}

func openGroups() (*groups, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket for multicast groups: %w", err)
	}
	return &groups{fd: fd, joined: make(map[membership]bool)}, nil
}

func (g *groups) close() {
	unix.Close(g.fd)
	g.fd = -1 // the number may soon be another file's
}

// set makes wanted the memberships, and returns how many could not be had.
func (g *groups) set(wanted map[membership]bool) (failed int) {
	for m := range g.joined {
		if !wanted[m] {
			// The interface may be gone, and the membership with it.
			unix.SetsockoptIPv6Mreq(g.fd, unix.IPPROTO_IPV6, unix.IPV6_LEAVE_GROUP, m.request())
			delete(g.joined, m)
		}
	}
	for m := range wanted {
		if g.joined[m] {
			continue
		}
		if err := unix.SetsockoptIPv6Mreq(g.fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, m.request()); err != nil {
			failed++
			continue
		}
		g.joined[m] = true
	}
	return failed
}

func (m membership) request() *unix.IPv6Mreq {
	return &unix.IPv6Mreq{Multiaddr: m.group.As16(), Interface: uint32(m.index)}
}

// prejoin joins the groups of all configured addresses, where they would be.
func (h *Hands) prejoin(v *rtnl.Host) {
	wanted := make(map[membership]bool)
	for _, t := range h.tokens {
		for _, p := range t.places {
			group, err := ndp.SolicitedNodeMulticast(p.Prefix.Addr())
			if l, ok := v.LinkByIndex(p.index); ok && l.Up && err == nil {
				wanted[membership{group, p.index}] = true
			}
		}
	}
	h.counters.unjoined.Add(uint64(h.groups.set(wanted)))
}
