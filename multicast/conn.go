package multicast

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Conn is one path: a local address, and the groups heard on its interface.
type Conn struct {
	options Options
	unicast *Socket
	group   *Socket // nil without Options.Group
}

// Open opens a path. It must be called on a thread in the network namespace that
// the path belongs to. Where no interface has the local address yet, or it is
// still being checked for duplicates, the error is [Transient].
func Open(o Options) (*Conn, error) {
	c, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("open path on %s: %w", o.Local, err)
	}
	return c, nil
}

// open does the work of Open.
func open(o Options) (*Conn, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	iface, err := interfaceOf(o.Local)
	if err != nil {
		return nil, err
	}
	c := &Conn{options: o}
	if c.unicast, err = bindUnicast(o, iface); err != nil {
		return nil, err
	}
	if !o.Group.IsValid() {
		return c, nil
	}
	if c.group, err = bindGroup(o, o.Group, iface); err != nil {
		c.unicast.Close()
		return nil, err
	}
	return c, nil
}

// Unicast returns the socket of the local address. It is the one that sends.
func (c *Conn) Unicast() *Socket { return c.unicast }

// Group returns the socket of the group in the options, nil where there is none.
func (c *Conn) Group() *Socket { return c.group }

// Sockets returns the path's sockets, but not those that Join returned.
func (c *Conn) Sockets() []*Socket {
	if c.group == nil {
		return []*Socket{c.unicast}
	}
	return []*Socket{c.unicast, c.group}
}

// Interface returns the interface that carries the path.
func (c *Conn) Interface() *net.Interface { return c.unicast.iface.Load() }

// Join joins one more group on the path's interface and returns the socket that
// hears it, and it alone. The socket belongs to the caller; closing it leaves the
// group. Join must be called on a thread in the path's network namespace.
func (c *Conn) Join(group netip.AddrPort) (*Socket, error) {
	err := c.options.checkGroup(group)
	if err != nil {
		return nil, fmt.Errorf("join group: %w", err)
	}
	s, err := bindGroup(c.options, group, c.Interface())
	if err != nil {
		return nil, fmt.Errorf("join group: %w", err)
	}
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

// Close closes the sockets of the path, which leaves its group and ends every
// Read with net.ErrClosed. Sockets of further groups stay open.
func (c *Conn) Close() error {
	err := c.unicast.Close()
	if c.group != nil {
		err = errors.Join(err, c.group.Close())
	}
	return err
}
