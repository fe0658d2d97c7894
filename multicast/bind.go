package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// bindUnicast opens the socket of the local address: it receives what is sent to
// that address and sends everything, groups included.
func bindUnicast(o Options, iface *net.Interface) (*Socket, error) {
	at := netip.AddrPortFrom(o.Local, o.Port)
	conn, err := bind(at, iface, func(fd int) error {
		if o.Share {
			if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
				return err
			}
		}
		return o.prepare(fd)
	})
	if err != nil {
		return nil, err
	}
	if err := o.sendGroupsBy(conn, iface); err != nil {
		conn.Close()
		return nil, fmt.Errorf("set up multicast on %s: %w", iface.Name, err)
	}
	return o.wrap(conn, iface)
}

// bindGroup opens a socket that hears one group on one interface and nothing
// else. Binding to the group keeps other groups of the port out; binding to the
// interface keeps the same group out where another path hears it. Together they
// do all that IP_MULTICAST_ALL = 0 does, and do it for IPv6 too.
func bindGroup(o Options, group netip.AddrPort, iface *net.Interface) (*Socket, error) {
	conn, err := bind(group, iface, func(fd int) error {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
		if err := unix.BindToDevice(fd, iface.Name); err != nil {
			return os.NewSyscallError("SO_BINDTODEVICE", err)
		}
		return o.prepare(fd)
	})
	if err != nil {
		return nil, err
	}
	if err := join(conn, group.Addr(), iface); err != nil {
		conn.Close()
		return nil, fmt.Errorf("join %s on %s: %w", group.Addr(), iface.Name, err)
	}
	s, err := o.wrap(conn, iface)
	if err != nil {
		return nil, err
	}
	s.multicast = true
	return s, nil
}

// wrap makes a Socket of a connection, in the runtime's poller or apart from it.
func (o *Options) wrap(conn *net.UDPConn, iface *net.Interface) (*Socket, error) {
	if !o.Apart {
		return Wrap(conn, iface)
	}
	a, err := setApart(conn)
	if err != nil {
		return nil, err
	}
	return wrap(a, iface)
}

// bind opens a UDP socket at an address. It doesn't use net.ListenPacket, which
// puts the wildcard in the place of a group's address and so lets every group of
// the port in.
func bind(at netip.AddrPort, iface *net.Interface, prepare func(fd int) error) (*net.UDPConn, error) {
	family := unix.AF_INET6
	if at.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), at.String())
	defer file.Close() // net keeps a duplicate
	if err := prepare(fd); err != nil {
		return nil, fmt.Errorf("prepare socket for %s: %w", at, err)
	}
	if err := unix.Bind(fd, sockaddr(at, iface)); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", at, err)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("bind to %s: %w", at, err)
	}
	return conn.(*net.UDPConn), nil
}

// sockaddr is an address in the form that bind takes. The kernel looks at the
// scope only where an address needs one.
func sockaddr(at netip.AddrPort, iface *net.Interface) unix.Sockaddr {
	if at.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16(), ZoneId: uint32(iface.Index)}
}

// prepare sets what every socket of a path has in common.
func (o *Options) prepare(fd int) error {
	if !o.NoStamps {
		if err := setInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return err
		}
	}
	if o.Filter != nil {
		if err := setFilter(fd, o.Filter); err != nil {
			return err
		}
	}
	if o.GRO {
		if err := setInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1); err != nil {
			return err
		}
	}
	if err := setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, o.ReceiveBuffer); err != nil {
		return err
	}
	return setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, o.SendBuffer)
}

// sendGroupsBy says how conn sends to groups: by which interface, how far, and
// whether this host hears it.
func (o *Options) sendGroupsBy(conn *net.UDPConn, iface *net.Interface) error {
	if o.Local.Is4() {
		p := ipv4.NewPacketConn(conn)
		return errors.Join(p.SetMulticastInterface(iface), p.SetMulticastTTL(o.TTL), p.SetMulticastLoopback(o.Loopback))
	}
	p := ipv6.NewPacketConn(conn)
	return errors.Join(p.SetMulticastInterface(iface), p.SetMulticastHopLimit(o.TTL), p.SetMulticastLoopback(o.Loopback))
}

// join makes conn a member of the group on an interface.
func join(conn *net.UDPConn, group netip.Addr, iface *net.Interface) error {
	addr := &net.UDPAddr{IP: group.AsSlice()}
	if group.Is4() {
		return ipv4.NewPacketConn(conn).JoinGroup(iface, addr)
	}
	return ipv6.NewPacketConn(conn).JoinGroup(iface, addr)
}

// setBuffer sizes a queue, past the kernel's cap where that is permitted.
func setBuffer(fd, force, capped, size int) error {
	if size == 0 || setInt(fd, unix.SOL_SOCKET, force, size) == nil {
		return nil
	}
	return setInt(fd, unix.SOL_SOCKET, capped, size)
}

// setInt sets a socket option.
func setInt(fd, level, option, value int) error {
	if err := unix.SetsockoptInt(fd, level, option, value); err != nil {
		return fmt.Errorf("set socket option %d of level %d to %d: %w", option, level, value, err)
	}
	return nil
}
