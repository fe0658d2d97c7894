package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// RouteProtocol is the origin by which routes of this package are known (rtm_protocol),
// also to a next process. It is none of those that linux/rtnetlink.h names.
const RouteProtocol = 118

// metric6 is that of IPv6 routes: the kernel's own to the same network has 256, and the
// lower one counts. IPv4 routes have 0, as the kernel's own have.
const metric6 = 128

// Route is the connected route to the network of shared addresses, on an interface where
// this host has no address in that network. It names no source: what the host sends
// there of its own accord comes from an address of its own.
type Route struct {
	Index   int
	Network netip.Prefix
}

// Route adds or removes one route. An IPv6 route ends by itself after lifetime, as the
// address does; adding it again prolongs that. IPv4 routes don't.
func (c *Conn) Route(typ, flags uint16, r Route, lifetime time.Duration) error {
	addr := r.Network.Addr()
	family, scope := byte(unix.AF_INET), byte(unix.RT_SCOPE_LINK)
	if addr.Is6() {
		family, scope = unix.AF_INET6, unix.RT_SCOPE_UNIVERSE
	}
	b := []byte{family, byte(r.Network.Bits()), 0, 0, unix.RT_TABLE_MAIN, RouteProtocol, scope, unix.RTN_UNICAST, 0, 0, 0, 0}
	b = appendAttribute(b, unix.RTA_DST, addr.AsSlice())
	b = appendAttribute(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(r.Index)))
	if addr.Is6() {
		b = appendAttribute(b, unix.RTA_PRIORITY, binary.NativeEndian.AppendUint32(nil, metric6))
	}
	if addr.Is6() && lifetime > 0 {
		b = appendAttribute(b, unix.RTA_EXPIRES, binary.NativeEndian.AppendUint32(nil, uint32(lifetime/time.Second)))
	}
	c.seq++
	if err := c.Send(message(typ, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags, c.seq, b)); err != nil {
		return err
	}
	var refused error
	err := c.answers(c.seq, c.seq, func(m syscall.NetlinkMessage) bool {
		refused = answerError(m)
		return true
	})
	return errors.Join(err, refused)
}

// ListRoutes finds the routes that an earlier process left. It asks on a socket of its
// own, in the network namespace of the calling thread, for routes of that origin alone,
// where the kernel can choose: the whole table may be long.
func ListRoutes() (map[Route]bool, error) {
	c, err := Dial(0)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1) // none before Linux 4.20
	})
	left := make(map[Route]bool)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		found := make(map[Route]bool)
		body := []byte{family, 0, 0, 0, 0, RouteProtocol, 0, 0, 0, 0, 0, 0}
		err := c.dump(unix.RTM_GETROUTE, body, func() { clear(found) }, func(data []byte) {
			if r, ok := parseRoute(data); ok {
				found[r] = true
			}
		})
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOENT) {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		for r := range found {
			left[r] = true
		}
	}
	return left, nil
}

// parseRoute reads an rtmsg and its attributes, if it is a route of ours.
func parseRoute(data []byte) (r Route, ours bool) {
	if len(data) < unix.SizeofRtMsg || data[4] != unix.RT_TABLE_MAIN || data[5] != RouteProtocol {
		return Route{}, false
	}
	for typ, value := range attributes(data[unix.SizeofRtMsg:]) {
		switch typ {
		case unix.RTA_DST:
			addr, _ := netip.AddrFromSlice(value)
			r.Network = netip.PrefixFrom(addr, int(data[1]))
		case unix.RTA_OIF:
			if len(value) >= 4 {
				r.Index = int(binary.NativeEndian.Uint32(value))
			}
		}
	}
	return r, r.Index != 0 && r.Network.IsValid()
}
