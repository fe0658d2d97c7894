package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// Conn is one path: a local address, and the groups heard on its interface.
type Conn struct {
	options Options
	iface   *net.Interface
	unicast *Socket
	group   *Socket // nil without Options.Group

	mu     sync.Mutex
	joined []*Socket // all groups, that of the options included
}

// Open opens a path. It must be called on a thread in the network namespace that
// the path belongs to. Where no interface has the local address yet, or it is
// still being checked for duplicates, the error is [Transient].
func Open(o Options) (*Conn, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("open path: %w", err)
	}
	iface, err := interfaceOf(o.Local)
	if err != nil {
		return nil, fmt.Errorf("open path: %w", err)
	}
	udp, err := bindUnicast(o, iface)
	if err != nil {
		return nil, fmt.Errorf("open path: %w", err)
	}
	c := &Conn{options: o, iface: iface}
	if c.unicast, err = Wrap(udp, iface); err != nil {
		udp.Close()
		return nil, fmt.Errorf("open path: %w", err)
	}
	if o.Group.IsValid() {
		if c.group, err = c.Join(o.Group); err != nil {
			c.Close()
			return nil, fmt.Errorf("open path: %w", err)
		}
	}
	return c, nil
}

// Unicast returns the socket of the local address. It is the one that sends.
func (c *Conn) Unicast() *Socket { return c.unicast }

// Group returns the socket of the group in the options, nil where there is none.
func (c *Conn) Group() *Socket { return c.group }

// Interface returns the interface that carries the path.
func (c *Conn) Interface() *net.Interface { return c.iface }

// Join joins one more group on the path's interface and returns the socket that
// hears it, and it alone. Closing the socket leaves the group. Join must be
// called on a thread in the path's network namespace.
func (c *Conn) Join(group netip.AddrPort) (*Socket, error) {
	if err := c.options.checkGroup(group); err != nil {
		return nil, fmt.Errorf("join group: %w", err)
	}
	udp, err := bindGroup(c.options, group, c.iface)
	if err != nil {
		return nil, fmt.Errorf("join group: %w", err)
	}
	s, err := Wrap(udp, c.iface)
	if err != nil {
		udp.Close()
		return nil, fmt.Errorf("join group: %w", err)
	}
	s.multicast = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined = append(c.joined, s)
	return s, nil
}

// Send sends one datagram to a peer from the local address, see [Socket.Send].
func (c *Conn) Send(payload []byte, to netip.AddrPort) error {
	return c.unicast.Send(payload, to)
}

// SendGroup sends one datagram to the group in the options.
func (c *Conn) SendGroup(payload []byte) error {
	if c.group == nil {
		return errors.New("send to group: the path has no group")
	}
	return c.unicast.Send(payload, c.options.Group)
}

// Close closes all sockets of the path, which leaves its groups and ends every
// Read with net.ErrClosed.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.unicast.Close()
	for _, s := range c.joined {
		// A group that was left before is closed already.
		if e := s.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}
