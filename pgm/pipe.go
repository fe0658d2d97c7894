package pgm

import (
	"fmt"
	"net"
	"net/netip"

	"vipd/multicast"
)

// PipeOptions say how PGM travels through a packet connection of any kind,
// such as one that seals what it carries. All but Peer are required.
type PipeOptions struct {
	Conn      net.PacketConn
	GroupAddr net.Addr   // where Conn sends what is for the group
	Group     netip.Addr // the group's name in NAKs
	Local     netip.Addr // this host's address: what Peer of the others understands
	MaxPacket int        // octets of the longest packet that Conn takes

	// Peer tells where Conn sends what is for one host. The default is a
	// net.UDPAddr with GroupAddr's port.
	Peer func(netip.Addr) net.Addr
}

// pipeLink is PGM through a net.PacketConn.
type pipeLink struct{ o PipeOptions }

// Pipe makes a link of a packet connection, which it owns from now on.
func Pipe(o PipeOptions) Link {
	if o.Peer == nil {
		port := 0
		if u, ok := o.GroupAddr.(*net.UDPAddr); ok {
			port = u.Port
		}
		o.Peer = func(a netip.Addr) net.Addr {
			return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port)))
		}
	}
	return &pipeLink{o}
}

func (l *pipeLink) Write(batch []multicast.Datagram) (int, error) {
	for i, d := range batch {
		to := l.o.GroupAddr
		if d.Addr.Addr().IsValid() {
			to = l.o.Peer(d.Addr.Addr())
		}
		if _, err := l.o.Conn.WriteTo(d.Data, to); err != nil {
			return i, fmt.Errorf("send pgm packet: %w", err)
		}
	}
	return len(batch), nil
}

func (l *pipeLink) Inputs() []Input   { return []Input{l} }
func (l *pipeLink) Local() netip.Addr { return l.o.Local }
func (l *pipeLink) Group() netip.Addr { return l.o.Group }
func (l *pipeLink) MaxPacket() int    { return l.o.MaxPacket }
func (l *pipeLink) Segments() bool    { return false }
func (l *pipeLink) Close() error      { return l.o.Conn.Close() }

// Read reads one packet: a packet connection knows no batches.
func (l *pipeLink) Read(batch []multicast.Datagram) (int, error) {
	d := &batch[0]
	n, from, err := l.o.Conn.ReadFrom(d.Data[:cap(d.Data)])
	if err != nil {
		return 0, err
	}
	*d = multicast.Datagram{Data: d.Data[:n]}
	if u, ok := from.(*net.UDPAddr); ok {
		a := u.AddrPort()
		d.Addr = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return 1, nil
}
