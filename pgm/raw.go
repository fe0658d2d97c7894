package pgm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"vipd/multicast"
	"vipd/pgm/packet"
)

// Protocol is PGM's number in IP (RFC 3208 section 1).
const Protocol = 113

// RawOptions say how PGM travels right in IP. Local and Group are required.
// Raw sockets need CAP_NET_RAW.
type RawOptions struct {
	Local   netip.Addr // this host's address on the group's network
	Group   netip.Addr
	TTL     int  // hops of multicast, default 1
	Receive int  // octets of each socket's receive queue, default 4 MiB
	NoAlert bool // leave out the router alert option (RFC 2113, RFC 2711)
}

// rawLink is PGM in IP. Which packets routers are alerted to is decided by
// the socket that sends them.
type rawLink struct {
	o       RawOptions
	iface   *net.Interface
	plain   *multicast.Socket // bound to Local: ODATA, SPMR out, unicast in
	alert   *multicast.Socket // SPM, NCF, RDATA, NAK out, nothing in
	group   *multicast.Socket // bound to Group
	sockets []*multicast.Socket
	watch   *watch
}

// SenderRaw opens the link of a Sender. It must be called in the network
// namespace it is to use.
func SenderRaw(o RawOptions) (Link, error) { return openRaw(o, dropDownstreamRaw(o.Local.Is4())) }

// ReceiverRaw opens the link of a Receiver. It must be called in the network
// namespace it is to use.
func ReceiverRaw(o RawOptions) (Link, error) { return openRaw(o, nil) }

func openRaw(o RawOptions, groupFilter []unix.SockFilter) (Link, error) {
	o.TTL = orInt(o.TTL, 1)
	iface, err := carrier(o.Local)
	if err != nil {
		return nil, fmt.Errorf("open pgm over ip on %s: %w", o.Local, err)
	}
	l := &rawLink{o: o, iface: iface}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	var errs [3]error
	l.plain, errs[0] = l.open(o.Local, nil, false)
	l.alert, errs[1] = l.open(o.Local, nothing, !o.NoAlert)
	l.group, errs[2] = l.open(o.Group, groupFilter, false)
	if err := errors.Join(errs[:]...); err != nil {
		l.Close()
		return nil, fmt.Errorf("open pgm over ip on %s: %w", o.Local, err)
	}
	if l.watch, err = watchInterfaces(l.rejoin); err != nil {
		l.Close()
		return nil, fmt.Errorf("open pgm over ip on %s: %w", o.Local, err)
	}
	return l, nil
}

// rejoin takes the interface of today.
func (l *rawLink) rejoin() error {
	return errors.Join(l.plain.Rejoin(l.iface.Name, netip.Addr{}), l.alert.Rejoin(l.iface.Name, netip.Addr{}),
		l.group.Rejoin(l.iface.Name, l.o.Group))
}

// carrier finds the interface that has an address.
func carrier(a netip.Addr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, iface := range all {
		addrs, err := iface.Addrs()
		if err != nil {
			continue // gone since it was listed
		}
		for _, have := range addrs {
			if n, ok := have.(*net.IPNet); ok && n.IP.Equal(a.AsSlice()) && (a.Zone() == "" || a.Zone() == iface.Name) {
				return &iface, nil
			}
		}
	}
	return nil, fmt.Errorf("no interface has %s", a)
}

// open opens one raw socket bound to an address; a group is joined.
func (l *rawLink) open(a netip.Addr, filter []unix.SockFilter, alert bool) (*multicast.Socket, error) {
	family := unix.AF_INET
	if a.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, Protocol)
	if err != nil {
		return nil, fmt.Errorf("open raw socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "pgm "+a.String())
	defer file.Close() // net keeps a duplicate
	if err := l.prepare(fd, a, filter, alert); err != nil {
		return nil, fmt.Errorf("prepare raw socket for %s: %w", a, err)
	}
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("use raw socket for %s: %w", a, err)
	}
	if err := l.join(conn, a); err != nil {
		conn.Close()
		return nil, fmt.Errorf("join %s on %s: %w", a, l.iface.Name, err)
	}
	s, err := multicast.Wrap(conn.(*net.IPConn), l.iface)
	if err == nil {
		l.sockets = append(l.sockets, s)
	}
	return s, err
}

// prepare sets what package net has no words for, and binds.
func (l *rawLink) prepare(fd int, a netip.Addr, filter []unix.SockFilter, alert bool) error {
	if size := orInt(l.o.Receive, 4<<20); unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size); err != nil {
			return err
		}
	}
	if alert {
		if err := alertRouters(fd, a.Is4()); err != nil {
			return err
		}
	}
	if len(filter) > 0 {
		err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
		if err != nil {
			return err
		}
	}
	if a.IsMulticast() {
		if err := unix.BindToDevice(fd, l.iface.Name); err != nil {
			return err
		}
	}
	if a.Is4() {
		return unix.Bind(fd, &unix.SockaddrInet4{Addr: a.As4()})
	}
	// A raw IPv6 socket hears every group that any socket of the host has joined,
	// whatever it is bound to, unless it is told not to.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, ipv6MulticastAll, 0); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Addr: a.As16(), ZoneId: uint32(l.iface.Index)})
}

// ipv6MulticastAll is IPV6_MULTICAST_ALL of linux/in6.h.
const ipv6MulticastAll = 29

// alertRouters makes routers on the way look at what the socket sends.
func alertRouters(fd int, v4 bool) error {
	if v4 {
		return unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, "\x94\x04\x00\x00") // RFC 2113
	}
	// RFC 2711: next header and length, filled in by the kernel; alert, value
	// 0; two octets of padding.
	return unix.SetsockoptString(fd, unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS, "\x00\x00\x05\x02\x00\x00\x01\x00")
}

// join sends multicast by the link's interface, lets this host hear it, and
// joins a when it is a group.
func (l *rawLink) join(conn net.PacketConn, a netip.Addr) error {
	if a.Is4() {
		p := ipv4.NewPacketConn(conn)
		if a.IsMulticast() {
			return p.JoinGroup(l.iface, &net.IPAddr{IP: a.AsSlice()})
		}
		return errors.Join(p.SetMulticastInterface(l.iface), p.SetMulticastTTL(l.o.TTL), p.SetMulticastLoopback(true))
	}
	p := ipv6.NewPacketConn(conn)
	if a.IsMulticast() {
		return p.JoinGroup(l.iface, &net.IPAddr{IP: a.AsSlice()})
	}
	return errors.Join(p.SetMulticastInterface(l.iface), p.SetMulticastHopLimit(l.o.TTL), p.SetMulticastLoopback(true))
}

// dropDownstreamRaw is dropDownstream for raw sockets, which see an IPv4
// header but no IPv6 header before the packet.
func dropDownstreamRaw(v4 bool) []unix.SockFilter {
	load := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: packet.TypeOffset}}
	if v4 {
		load = []unix.SockFilter{
			{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // length of the IPv4 header
			{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: packet.TypeOffset},
		}
	}
	return append(load, keepUpstream...)
}

// Write sends runs of packets that go by the same socket.
func (l *rawLink) Write(batch []multicast.Datagram) (int, error) {
	for i := range batch {
		if !batch[i].Addr.Addr().IsValid() {
			batch[i].Addr = netip.AddrPortFrom(l.o.Group, 0)
		}
	}
	sent := 0
	for sent < len(batch) {
		s, end := l.by(batch[sent].Data), sent+1
		for end < len(batch) && l.by(batch[end].Data) == s {
			end++
		}
		n, err := s.Write(batch[sent:end])
		sent += n
		if err != nil {
			return sent, awayOr(l.plain, l.iface.Name, l.o.Local, err)
		}
	}
	return sent, nil
}

// by is the socket that sends a packet: SPM, NCF, RDATA, NAK and POLL alert
// routers, ODATA, SPMR and ACK do not.
func (l *rawLink) by(p []byte) *multicast.Socket {
	switch packet.Type(p[packet.TypeOffset]) {
	case packet.ODATA, packet.SPMR, packet.ACK:
		return l.plain
	}
	return l.alert
}

func (l *rawLink) Inputs() []Input {
	if l.o.Local.Is4() {
		return []Input{withoutHeader{l.plain}, withoutHeader{l.group}}
	}
	return []Input{l.plain, l.group}
}

func (l *rawLink) Local() netip.Addr { return l.o.Local.WithZone("") }
func (l *rawLink) Group() netip.Addr { return l.o.Group }
func (l *rawLink) Segments() bool    { return false }
func (l *rawLink) Queue() int        { return orInt(l.o.Receive, 4<<20) / packetCost }

// MaxPacket leaves room for the router alert: a repair has it, though its
// original had not.
func (l *rawLink) MaxPacket() int {
	if l.o.Local.Is4() {
		return min(l.iface.MTU, packet.MaxLen) - ipv4Header - 4
	}
	return min(l.iface.MTU, packet.MaxLen) - ipv6Header - 8
}

func (l *rawLink) Close() error {
	errs := []error{l.watch.close()}
	for _, s := range l.sockets {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// withoutHeader takes the IPv4 header off what a raw socket reads.
type withoutHeader struct{ *multicast.Socket }

func (h withoutHeader) Read(batch []multicast.Datagram) (int, error) {
	n, err := h.Socket.Read(batch)
	for i := range batch[:max(n, 0)] {
		d := &batch[i]
		d.Data = append(d.Data[:0], afterIPv4(d.Data)...) // in place: Data keeps its array
	}
	return n, err
}

// afterIPv4 is what follows the IPv4 header of a packet.
func afterIPv4(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	return b[min(4*int(b[0]&0x0F), len(b)):]
}
