package neighbor

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Groups holds memberships in solicited-node groups (RFC 4291 section 2.7.1).
// Joined beforehand, the switches already pass a neighbour's solicitation on to
// us at the moment we take the address.
type Groups struct {
	fd     int
	joined map[Membership]bool
}

// Membership is one multicast group on one interface, by number.
type Membership struct {
	Group netip.Addr
	Index int
}

// OpenGroups opens the socket in the network namespace of the calling thread.
func OpenGroups() (*Groups, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket for multicast groups: %w", err)
	}
	return &Groups{fd: fd, joined: make(map[Membership]bool)}, nil
}

// Close closes the socket, and leaves the groups.
func (g *Groups) Close() {
	unix.Close(g.fd)
	g.fd = -1 // the number may soon be another file's
}

// Set makes wanted the memberships, and returns how many could not be had.
func (g *Groups) Set(wanted map[Membership]bool) (failed int) {
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

func (m Membership) request() *unix.IPv6Mreq {
	return &unix.IPv6Mreq{Multiaddr: m.Group.As16(), Interface: uint32(m.Index)}
}
