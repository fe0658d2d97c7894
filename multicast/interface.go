package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// interfaceOf finds the interface that carries a local address. That none does is
// no lasting state: the error is Transient.
func interfaceOf(local netip.Addr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for i := range all {
		if zone := local.Zone(); zone != "" && zone != all[i].Name && zone != fmt.Sprint(all[i].Index) {
			continue
		}
		if carries(&all[i], local.WithZone("")) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("no interface has the address %s: %w", local, unix.EADDRNOTAVAIL)
}

// Gone reports whether the interface of the path is not there any more, or is
// another one of the same name: the path has to be opened anew.
func (c *Conn) Gone() bool {
	gone := true
	err := c.unicast.raw.Control(func(fd uintptr) {
		ask, err := unix.NewIfreq(c.Interface().Name)
		if err == nil {
			err = unix.IoctlIfreq(int(fd), unix.SIOCGIFINDEX, ask)
		}
		gone = err != nil || ask.Uint32() != uint32(c.Interface().Index)
	})
	return err != nil || gone
}

// Rejoin makes the sockets of the path use the interface that has the name of the one it
// was opened on: after that one has gone and come back, or was made anew ([Conn.Gone]). It
// may be called on any thread. Sockets of further groups need [Socket.Rejoin]. Where there
// is no such interface yet the error is [Transient].
func (c *Conn) Rejoin() error {
	name := c.Interface().Name
	if err := c.unicast.Rejoin(name, netip.Addr{}); err != nil {
		return err
	}
	if c.group == nil {
		return nil
	}
	return c.group.Rejoin(name, c.options.Group.Addr())
}

// Rejoin makes the socket use the interface of that name, whichever it is now: to hear the
// group, or with the zero group to send to groups. To hear a group on another interface the
// kernel wants CAP_NET_RAW.
func (s *Socket) Rejoin(name string, group netip.Addr) error {
	var inner error
	err := s.raw.Control(func(fd uintptr) { inner = s.rejoin(int(fd), name, group) })
	if err = errors.Join(err, inner); err != nil {
		return fmt.Errorf("rejoin %s on %s: %w", group, name, err)
	}
	return nil
}

func (s *Socket) rejoin(fd int, name string, group netip.Addr) error {
	iface, err := interfaceNamed(fd, name)
	if err != nil {
		return err
	}
	v4 := s.Local().Addr().Is4()
	switch {
	case !group.IsValid() && v4:
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(iface.Index)})
	case !group.IsValid():
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_IF, iface.Index)
	default:
		if err = unix.BindToDevice(fd, name); err == nil {
			err = rejoinGroup(fd, iface.Index, group)
		}
	}
	if err == nil {
		s.iface.Store(iface)
	}
	return err
}

// rejoinGroup makes the socket a member of a group on an interface, unless it is.
func rejoinGroup(fd, index int, group netip.Addr) (err error) {
	if group.Is4() {
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
	} else {
		err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: group.As16(), Interface: uint32(index)})
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return nil
	}
	return err
}

// interfaceNamed asks for an interface in the network namespace of a socket.
func interfaceNamed(fd int, name string) (*net.Interface, error) {
	iface := &net.Interface{Name: name}
	for _, ask := range []struct {
		request uint
		into    *int
	}{{unix.SIOCGIFINDEX, &iface.Index}, {unix.SIOCGIFMTU, &iface.MTU}} {
		r, err := unix.NewIfreq(name)
		if err == nil {
			err = unix.IoctlIfreq(fd, ask.request, r)
		}
		if err != nil {
			return nil, err
		}
		*ask.into = int(r.Uint32())
	}
	return iface, nil
}

// carries reports whether an interface has the address.
func carries(iface *net.Interface, local netip.Addr) bool {
	addrs, err := iface.Addrs()
	if err != nil {
		return false // it has gone since it was listed
	}
	for _, addr := range addrs {
		prefix, ok := addr.(*net.IPNet)
		if !ok {
			continue
		}
		if own, ok := netip.AddrFromSlice(prefix.IP); ok && own.Unmap() == local {
			return true
		}
	}
	return false
}
