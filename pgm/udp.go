package pgm

import (
	"fmt"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"

	"vipd/multicast"
	"vipd/pgm/packet"
)

// UDPOptions say how PGM travels in UDP datagrams. Local and Group are
// required.
type UDPOptions struct {
	Local netip.Addr     // this host's address on the group's network
	Group netip.AddrPort // the group and the UDP port

	// UnicastPort is the UDP port of what goes to one host, such as NAKs. The
	// default is the group's: OpenPGM repairs nothing with two different ones.
	UnicastPort uint16

	TTL     int // hops of multicast, default 1
	Receive int // octets of each socket's receive queue, default 4 MiB
	Send    int // octets of the send queue, default 1 MiB

	// MaxPacket is the longest packet in octets, where the network takes less than this
	// host's interface: the path's MTU without the headers of IP and UDP, 28 octets
	// over IPv4, 48 over IPv6. 0, or more than the interface takes, stands for what
	// that takes.
	MaxPacket int

	// NoSegments sends each packet in a datagram of its own instead of letting
	// the kernel cut long ones (UDP GSO).
	NoSegments bool
}

// udpLink is PGM in UDP.
type udpLink struct {
	conn     *multicast.Conn
	relay    *multicast.Conn // TTL 0: reaches this host alone; senders only
	group    netip.AddrPort
	port     uint16 // where unicast goes
	max      int
	segments bool
	receiver bool
	queue    int
	watch    *watch
	polled   *polledSockets // senders only: a receiver waits by itself
}

// minPacket is the least that MaxPacket may be: data, with every option that is sent.
const minPacket = 128

// Octets of headers before the packet.
const (
	ipv4Header = 20
	ipv6Header = 40
	udpHeader  = 8
)

// SenderUDP opens the link of a Sender. Several senders on one host may use
// one port. It must be called in the network namespace it is to use.
func SenderUDP(o UDPOptions) (Link, error) { return openUDP(o, false) }

// ReceiverUDP opens the link of a Receiver. It must be called in the network
// namespace it is to use.
func ReceiverUDP(o UDPOptions) (Link, error) { return openUDP(o, true) }

func openUDP(o UDPOptions, receiver bool) (Link, error) {
	if o.UnicastPort == 0 {
		o.UnicastPort = o.Group.Port()
	}
	mo := multicast.Options{
		Local: o.Local, Group: o.Group, TTL: o.TTL, Loopback: true, Share: true, GRO: true, NoStamps: true, Apart: true,
		ReceiveBuffer: orInt(o.Receive, 4<<20), SendBuffer: orInt(o.Send, 1<<20),
	}
	if !receiver {
		mo.Port = o.UnicastPort // a receiver takes any: NAKs for senders must not reach it
	}
	conn, err := multicast.Open(mo)
	if err != nil {
		return nil, fmt.Errorf("open pgm over udp on %s: %w", o.Local, err)
	}
	l := &udpLink{conn: conn, group: o.Group, port: o.UnicastPort, receiver: receiver, segments: !o.NoSegments}
	header := ipv4Header
	if o.Local.Is6() {
		header = ipv6Header
	}
	l.max = min(conn.Interface().MTU, multicast.MaxDatagram) - header - udpHeader
	if o.MaxPacket > 0 {
		l.max = min(l.max, max(o.MaxPacket, minPacket))
	}
	if err := l.prepare(o); err != nil {
		l.Close()
		return nil, fmt.Errorf("open pgm over udp on %s: %w", o.Local, err)
	}
	return l, nil
}

// prepare opens what only a sender needs, and measures what only a receiver does.
func (l *udpLink) prepare(o UDPOptions) (err error) {
	if l.watch, err = watchInterfaces(l.rejoin); err != nil {
		return err
	}
	if l.receiver {
		l.queue, err = queueOf(l.conn.Group())
		return err
	}
	if err := dropDownstream(l.conn.Group()); err != nil {
		return err
	}
	if l.polled, err = pollSockets(l.conn.Unicast(), l.conn.Group()); err != nil {
		return err
	}
	l.relay, err = multicast.Open(multicast.Options{Local: o.Local, Loopback: true})
	if err != nil {
		return err
	}
	return hostOnly(l.relay.Unicast(), o.Local.Is4())
}

func (l *udpLink) Write(batch []multicast.Datagram) (int, error) {
	for i := range batch {
		switch a := batch[i].Addr; {
		case !a.Addr().IsValid():
			batch[i].Addr = l.group
		case a.Port() == 0:
			batch[i].Addr = netip.AddrPortFrom(a.Addr(), l.port)
		}
	}
	n, err := l.write(batch)
	return n, awayOr(l.conn.Unicast(), l.conn.Interface().Name, l.Local(), err)
}

// write waits while the queue is full, of a sender: a NAK that finds no room is asked again.
func (l *udpLink) write(batch []multicast.Datagram) (int, error) {
	if l.polled == nil {
		return l.conn.Unicast().Write(batch)
	}
	return l.polled.write(batch)
}

// rejoin takes the interface of today.
func (l *udpLink) rejoin() error {
	if l.conn.Gone() {
		return l.conn.Rejoin()
	}
	return nil
}

func (l *udpLink) Inputs() []Input {
	if l.receiver {
		return []Input{l.conn.Group()}
	}
	return []Input{l.polled}
}

func (l *udpLink) Local() netip.Addr { return l.conn.Unicast().Local().Addr().WithZone("") }
func (l *udpLink) Group() netip.Addr { return l.group.Addr() }
func (l *udpLink) MaxPacket() int    { return l.max }
func (l *udpLink) Segments() bool    { return l.segments }
func (l *udpLink) Queue() int        { return l.queue }

// Relay passes an upstream packet on to the other senders of this host.
func (l *udpLink) Relay(p []byte) error { return l.relay.Send(p, l.group) }

func (l *udpLink) Close() error {
	l.watch.close() //nolint:errcheck // nothing waits to be written
	if l.polled != nil {
		l.polled.close()
	}
	err := l.conn.Close()
	if l.relay != nil {
		l.relay.Close()
	}
	return err
}

// packetCost is what the kernel charges a receive queue for one packet of an
// Ethernet frame, in octets.
const packetCost = 2304

// queueOf returns how many packets a socket's receive queue holds at least.
func queueOf(s *multicast.Socket) (n int, err error) {
	err = control(s, func(fd int) error {
		octets, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
		n = octets / packetCost
		return err
	})
	return n, err
}

// hostOnly keeps what the socket sends to a group within this host.
func hostOnly(s *multicast.Socket, ipv4 bool) error {
	return control(s, func(fd int) error {
		if ipv4 {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 0)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS, 0)
	})
}

// dropDownstream lets the kernel throw away the senders' own multicast that
// comes back to a sender: only what receivers send is of use to it.
func dropDownstream(s *multicast.Socket) error {
	load := unix.SockFilter{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: udpHeader + packet.TypeOffset}
	filter := append([]unix.SockFilter{load}, keepUpstream...)
	return control(s, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
}

// keepUpstream keeps a packet whose type octet was loaded if receivers send
// such.
var keepUpstream = []unix.SockFilter{
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(packet.NCF), Jt: 2},
	{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: uint32(packet.NAK), Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0xFFFF},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// control runs f on a socket's descriptor.
func control(s interface {
	SyscallConn() (syscall.RawConn, error)
}, f func(fd int) error) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// orInt returns v, or d when v is 0.
func orInt(v, d int) int {
	if v == 0 {
		return d
	}
	return v
}
