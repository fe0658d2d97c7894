package sharedip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// routeProtocol is the origin by which routes of this package are known (rtm_protocol),
// also to a next process. It is none of those that linux/rtnetlink.h names.
const routeProtocol = 118

// metric6 is that of IPv6 routes: the kernel's own to the same network has 256, and the
// lower one counts. IPv4 routes have 0, as the kernel's own have.
const metric6 = 128

// route is the connected route to the network of shared addresses, on an interface where
// this host has no address in that network. It names no source: what the host sends
// there of its own accord comes from an address of its own.
type route struct {
	index   int
	network netip.Prefix
}

// routeOf is the route that p needs, if any: neighbours of a host of its own have one from
// the kernel.
func (v *view) routeOf(p *place) (r route, needed bool) {
	if p.index == 0 || p.Prefix.IsSingleIP() || connected(v, p.index, p.Prefix.Addr()) {
		return route{}, false
	}
	return route{p.index, p.Prefix.Masked()}, true
}

// routesOf returns the routes that the places need, each once.
func (v *view) routesOf(places []*place) map[route]bool {
	needed := make(map[route]bool)
	for _, p := range places {
		if r, ok := v.routeOf(p); ok {
			needed[r] = true
		}
	}
	return needed
}

// connect adds the routes that the places need, also those that should be there already:
// another program may have removed them.
func (h *Hands) connect(v *view, places []*place) error {
	for r := range v.routesOf(places) {
		err := h.kernel.route(unix.RTM_NEWROUTE, unix.NLM_F_CREATE, r, h.options.Lifetime)
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("add the route to %s, interface %s: %w", r.network, h.name(r.index), err)
		}
		h.routes[r] = true
	}
	return nil
}

// heldPlaces returns the places of every held token.
func (h *Hands) heldPlaces() (list []*place) {
	for _, t := range h.tokens {
		if t.held {
			list = append(list, t.places...)
		}
	}
	return list
}

// disconnect removes the routes that no held address needs any more, also those that an
// earlier process left.
func (h *Hands) disconnect(v *view) {
	if len(h.routes) == 0 {
		return
	}
	needed := v.routesOf(h.heldPlaces())
	for r := range h.routes {
		if !needed[r] {
			h.kernel.route(unix.RTM_DELROUTE, 0, r, 0) // it went with its interface, or stays until the next time
			delete(h.routes, r)
		}
	}
}

// reconnect adds the routes of all that is held again.
func (h *Hands) reconnect(v *view) error { return h.connect(v, h.heldPlaces()) }

// route adds or removes one route. An IPv6 route ends by itself after lifetime, as the
// address does; adding it again prolongs that. IPv4 routes don't.
func (c *conn) route(typ, flags uint16, r route, lifetime time.Duration) error {
	addr := r.network.Addr()
	family, scope := byte(unix.AF_INET), byte(unix.RT_SCOPE_LINK)
	if addr.Is6() {
		family, scope = unix.AF_INET6, unix.RT_SCOPE_UNIVERSE
	}
	b := []byte{family, byte(r.network.Bits()), 0, 0, unix.RT_TABLE_MAIN, routeProtocol, scope, unix.RTN_UNICAST, 0, 0, 0, 0}
	b = appendAttribute(b, unix.RTA_DST, addr.AsSlice())
	b = appendAttribute(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(r.index)))
	if addr.Is6() {
		b = appendAttribute(b, unix.RTA_PRIORITY, binary.NativeEndian.AppendUint32(nil, metric6))
	}
	if addr.Is6() && lifetime > 0 {
		b = appendAttribute(b, unix.RTA_EXPIRES, binary.NativeEndian.AppendUint32(nil, uint32(lifetime/time.Second)))
	}
	c.seq++
	if err := c.send(message(typ, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags, c.seq, b)); err != nil {
		return err
	}
	var refused error
	err := c.answers(c.seq, c.seq, func(m syscall.NetlinkMessage) bool {
		refused = answerError(m)
		return true
	})
	return errors.Join(err, refused)
}

// routesLeft finds the routes that an earlier process left. It asks on a socket of its
// own, in the network namespace of the calling thread, for routes of that origin alone,
// where the kernel can choose: the whole table may be long.
func routesLeft() (map[route]bool, error) {
	c, err := dial(0)
	if err != nil {
		return nil, err
	}
	defer c.close()
	c.raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1) // none before Linux 4.20
	})
	left := make(map[route]bool)
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		found := make(map[route]bool)
		body := []byte{family, 0, 0, 0, 0, routeProtocol, 0, 0, 0, 0, 0, 0}
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
func parseRoute(data []byte) (r route, ours bool) {
	if len(data) < unix.SizeofRtMsg || data[4] != unix.RT_TABLE_MAIN || data[5] != routeProtocol {
		return route{}, false
	}
	for typ, value := range attributes(data[unix.SizeofRtMsg:]) {
		switch typ {
		case unix.RTA_DST:
			addr, _ := netip.AddrFromSlice(value)
			r.network = netip.PrefixFrom(addr, int(data[1]))
		case unix.RTA_OIF:
			if len(value) >= 4 {
				r.index = int(binary.NativeEndian.Uint32(value))
			}
		}
	}
	return r, r.index != 0 && r.network.IsValid()
}
