package multicast

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
)

// Options say how a path is opened. Only Local is required.
type Options struct {
	// Local is the host's own address that the path uses: the source of all that
	// is sent. Its interface carries the groups. The zone of an IPv6 link-local
	// address names the interface where several have that address.
	Local netip.Addr

	// Port is the UDP port of the unicast socket; 0 lets the kernel choose.
	Port uint16

	// Group is the group that is joined, and that SendGroup sends to. The zero
	// value joins none. It must be of Local's family.
	Group netip.AddrPort

	// TTL is the number of hops a multicast datagram may go, 1 to 255; 0 stands
	// for 1, so that datagrams stay in the local network.
	TTL int

	// Loopback lets other sockets of this host hear what this path sends to a
	// group. It is off by default: a node needn't hear itself.
	Loopback bool

	// Share lets several sockets bind to the same local address and port, as
	// several programs that meet in one group do. A unicast datagram then goes
	// to only one of them. It is off by default: a second program is refused.
	Share bool

	// GRO lets the kernel join datagrams of one sender and size into one that
	// Read returns with its SegmentSize. Buffers should then hold 64 KiB.
	GRO bool

	// Apart keeps the sockets out of the runtime's poller, for a program that waits
	// for many of them by an epoll of its own ([Socket.SyscallConn] has the
	// descriptor). Read and Write don't wait then. It spares a program that sends
	// often a wake for each datagram that has left: the runtime's poller asks to be
	// told of room in every socket it knows.
	Apart bool

	// Filter is a program of classic BPF that the kernel runs for each datagram
	// before it is queued. It sees the datagram from its UDP header on, so the
	// payload begins at octet 8. It is attached before a socket is bound: none
	// receives anything unfiltered.
	Filter []bpf.RawInstruction

	// NoStamps leaves out the kernel's stamps of received datagrams, for a program
	// that does not read them.
	NoStamps bool

	// ReceiveBuffer and SendBuffer are the sizes of each socket's queues in
	// bytes; 0 keeps the kernel's default. Without CAP_NET_ADMIN the kernel caps
	// them at net.core.rmem_max and net.core.wmem_max.
	ReceiveBuffer, SendBuffer int
}

// check refuses what can't work, and fills in the defaults.
func (o *Options) check() error {
	if !o.Local.IsValid() || o.Local.IsUnspecified() || o.Local.IsMulticast() {
		return fmt.Errorf("local address %s is no address of a host", o.Local)
	}
	o.Local = o.Local.Unmap()
	if o.TTL == 0 {
		o.TTL = 1
	}
	if o.TTL < 1 || o.TTL > 255 {
		return fmt.Errorf("TTL %d, want 1 to 255", o.TTL)
	}
	if o.Group == (netip.AddrPort{}) {
		return nil
	}
	return o.checkGroup(o.Group)
}

// checkGroup refuses what is no group, or none of Local's family.
func (o *Options) checkGroup(group netip.AddrPort) error {
	switch {
	case !group.Addr().IsMulticast():
		return fmt.Errorf("group %s is no multicast address", group)
	case group.Port() == 0:
		return errors.New("the group has no port")
	case group.Addr().Is4() != o.Local.Is4():
		return fmt.Errorf("group %s and local address %s are of two families", group.Addr(), o.Local)
	}
	return nil
}
