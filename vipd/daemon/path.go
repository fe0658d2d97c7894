package daemon

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/multicast"
	"vipd/seal"
	"vipd/vipd/config"
)

// path is one network between the nodes: our address on it, the group, and the
// peers' addresses. Its sockets come back by themselves when the address or the
// interface does.
type path struct {
	number  int
	options multicast.Options
	peers   map[uint8]netip.AddrPort
	conn    atomic.Pointer[multicast.Conn]
	filter  atomic.Pointer[[]bpf.RawInstruction] // of the sockets
	trouble string                               // why it can't be opened; "" if it is open. Of the goroutine that opens it
	failed  error                                // the same, as it came
}

// queueSize is the room of each socket's queue for what arrives, in octets: a burst
// of junk must not push heartbeats out of it.
const queueSize = 1 << 20

// paths returns one path for each of the node's addresses.
func paths(s config.Settings, self config.Node) []*path {
	var list []*path
	for i, local := range self.Addresses {
		group := s.Multicast.Group4
		if local.Is6() {
			group = s.Multicast.Group6
		}
		p := &path{number: i, peers: map[uint8]netip.AddrPort{}, options: multicast.Options{
			Local: local, Port: s.Multicast.Port, Group: netip.AddrPortFrom(group, s.Multicast.Port), TTL: s.Multicast.TTL, Apart: true, ReceiveBuffer: queueSize,
		}}
		for _, n := range s.Nodes {
			if n.Slot != self.Slot {
				p.peers[n.Slot] = netip.AddrPortFrom(n.Addresses[i], s.Multicast.Port)
			}
		}
		list = append(list, p)
	}
	return list
}

// open opens the sockets, or says why they can't be now.
func (p *path) open() error {
	options, filter := p.options, p.filter.Load()
	if filter != nil {
		options.Filter = *filter
	}
	conn, err := multicast.Open(options)
	if err != nil {
		return err
	}
	p.conn.Store(conn)
	if now := p.filter.Load(); now != filter { // changed meanwhile
		return conn.SetFilter(*now)
	}
	return nil
}

// setFilter sets the filter of the path's sockets, open or opened later.
func (p *path) setFilter(filter []bpf.RawInstruction) error {
	p.filter.Store(&filter)
	if conn := p.conn.Load(); conn != nil {
		return conn.SetFilter(filter)
	}
	return nil
}

// stale reports whether the sockets are bound to an interface that is gone.
func (p *path) stale() bool {
	conn := p.conn.Load()
	if conn == nil {
		return true
	}
	return conn.Gone()
}

// lookEvery is how often a path looks whether its interface is still there, or
// back, beside the news of a link that has come up.
const lookEvery = time.Second

// tendPaths keeps the paths open until ctx ends, and the inlet hearing them.
func (d *Daemon) tendPaths(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.linkUp:
		}
		for _, p := range d.paths {
			d.tendPath(p)
		}
		d.tendLANs()
		d.noteStations()
	}
}

// tendPath closes the path when its interface is gone, and opens it when that is back.
func (d *Daemon) tendPath(p *path) {
	if !p.stale() {
		return
	}
	p.close(d.inlet)
	err := p.open()
	if err == nil {
		if err = d.inlet.hear(p.number, p.conn.Load()); err != nil {
			p.close(d.inlet)
		}
	}
	d.pathTrouble(p, err)
	if err == nil {
		d.log.Info("path is back", "address", p.options.Local)
	}
}

// close closes the sockets, if there are any, and has the inlet forget them.
func (p *path) close(in *inlet) {
	if conn := p.conn.Swap(nil); conn != nil {
		in.forget(p.number)
		conn.Close()
	}
}

// send sends one datagram; a path that can't now is the peers' to notice.
func (p *path) send(group bool, datagram []byte, to netip.AddrPort) {
	conn := p.conn.Load()
	if conn == nil {
		return
	}
	var err error
	if group {
		err = conn.SendGroup(datagram)
	} else {
		err = conn.Send(datagram, to)
	}
	_ = err // lost datagrams are what heartbeats are for; a dead path shows in status
}

// outbox seals and sends what the sender loop says.
type outbox struct {
	paths  []*path
	lans   []*lanPath
	sealer *seal.Sealer
	keys   *keys // told to the peers; nil: none
	copies *copyWatch
	plain  []byte
	sealed []byte
}

// Send sends the message on every path to each peer and, unless that is spared, to the
// group, or to one peer; an answer on the path alone on which the question came, unless it has all claims:
// those are sent seldom, and that path may work one way only. Every copy is
// sealed anew, so that one is no replay of another.
func (o *outbox) Send(s heartbeat.Send, m heartbeat.Message) {
	if o.copies.copied() {
		return
	}
	m.Keys = o.keys.told()
	for _, p := range o.paths {
		if s.Kind == heartbeat.Reply && !s.AllPages && int(s.Path) != p.number {
			continue
		}
		m.Path = uint8(p.number)
		o.plain = m.Append(o.plain[:0])
		if s.To == 0 && !s.Spare {
			o.sealed = o.sealer.Seal(o.sealed[:0], o.plain)
			p.send(true, o.sealed, netip.AddrPort{})
		}
		for slot, to := range p.peers {
			if s.To == 0 || s.To == slot {
				o.sealed = o.sealer.Seal(o.sealed[:0], o.plain)
				p.send(false, o.sealed, to)
			}
		}
	}
	o.sendLAN(s, m)
}

// inbox opens and reads what arrives, on the loop's goroutine.
type inbox struct {
	boot.Clocks
	opener *seal.Opener
	refuse func(seal.Refusal, seal.Header, sender)
	bad    func(node uint8, from sender, err error)
	self   uint8 // this node's slot
	own    uint64
	twin   func(from sender) // told of a message of this node's slot that is not of this session

	newest   [256][heartbeat.MaxPaths]copyOf // by sender and path
	repeated uint64                          // second copies
	refusals int                             // what did not open, or can't be read
}

// copyOf names a send: a path brings it twice, by the group and to our address.
type copyOf struct{ session, seq uint64 }

// second reports whether the send has just come by the same path; the machine need
// not step for it.
func (in *inbox) second(h seal.Header, m *heartbeat.Message, path int) bool {
	now := copyOf{h.Session, m.Seq}
	last := &in.newest[h.Sender][path]
	if *last == now {
		in.repeated++
		return true
	}
	*last = now
	return false
}

// take opens one datagram; ok is false if there is nothing in it for the machine.
func (in *inbox) take(path int, d *multicast.Datagram, from sender) (r heartbeat.Received, ok bool) {
	header, payload, err := in.opener.OpenInPlace(d.Data)
	if err != nil {
		in.refusals++
		in.refuse(err.(seal.Refusal), header, from)
		return r, false
	}
	if header.Sender == in.self && header.Session != in.own && in.twin != nil {
		in.twin(from)
		return r, false
	}
	m, err := heartbeat.Parse(payload)
	if err != nil {
		in.refusals++
		in.bad(header.Sender, from, err)
		return r, false
	}
	if in.second(header, m, path) {
		return r, false
	}
	arrived, wall := in.arrival(d)
	return heartbeat.Received{From: header.Sender, Session: header.Session, Start: header.Start, Path: uint8(path), Arrived: arrived, Wall: wall, Message: m}, true
}

// arrival is when the kernel had the datagram, on both clocks; the wall time is
// 0 where its stamp can't be trusted.
func (in *inbox) arrival(d *multicast.Datagram) (clock.Instant, clock.Wall) {
	now := in.Now()
	if !d.StampValid {
		return now, 0
	}
	stamp := clock.Wall(d.Stamp.UnixNano())
	waited := in.Wall().Sub(stamp)
	if waited < 0 || waited > time.Minute { // the wall clock was stepped meanwhile
		return now, 0
	}
	return now.Add(-waited), stamp
}
