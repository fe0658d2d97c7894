package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
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
}

// paths returns one path for each of the node's addresses.
func paths(s config.Settings, self config.Node) []*path {
	var list []*path
	for i, local := range self.Addresses {
		group := s.Multicast.Group4
		if local.Is6() {
			group = s.Multicast.Group6
		}
		p := &path{number: i, peers: map[uint8]netip.AddrPort{}, options: multicast.Options{
			Local: local, Port: s.Multicast.Port, Group: netip.AddrPortFrom(group, s.Multicast.Port), TTL: s.Multicast.TTL,
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
	conn, err := multicast.Open(p.options)
	if err != nil {
		return err
	}
	p.conn.Store(conn)
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
// back.
const lookEvery = time.Second

// run reads the path until ctx ends.
func (p *path) run(ctx context.Context, in *inbox, log *slog.Logger) {
	for ctx.Err() == nil {
		if conn := p.conn.Load(); conn != nil {
			p.read(ctx, conn, in)
			p.conn.CompareAndSwap(conn, nil)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
		if err := p.open(); err == nil {
			log.Info("path is back", "address", p.options.Local)
		}
	}
}

// read reads both sockets until they fail, go stale, or ctx ends.
func (p *path) read(ctx context.Context, conn *multicast.Conn, in *inbox) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var readers sync.WaitGroup
	for _, socket := range []*multicast.Socket{conn.Unicast(), conn.Group()} {
		readers.Go(func() {
			defer cancel()
			p.listen(socket, in)
		})
	}
	for ctx.Err() == nil && !p.stale() {
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
	conn.Close()
	readers.Wait()
}

// listen hands every datagram of one socket to the inbox. An error that passes
// does not end it.
func (p *path) listen(socket *multicast.Socket, in *inbox) {
	batch := multicast.NewBatch(16, heartbeat.MaxSize+seal.Overhead)
	for {
		n, err := socket.Read(batch)
		if err != nil && !multicast.Transient(err) {
			return
		}
		for i := range batch[:n] {
			in.take(p.number, &batch[i])
		}
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

// outbox seals and sends what the beater says.
type outbox struct {
	paths  []*path
	sealer *seal.Sealer
	plain  []byte
	sealed []byte
}

// send sends the message on every path to the group and to each peer, or to one
// peer; an answer on the path alone on which the question came. Every copy is
// sealed anew, so that one is no replay of another.
func (o *outbox) send(s heartbeat.Say, m heartbeat.Message) {
	for _, p := range o.paths {
		if s.Kind == heartbeat.Answer && int(s.Path) != p.number {
			continue
		}
		m.Path = uint8(p.number)
		o.plain = m.Append(o.plain[:0])
		if s.To == 0 {
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
}

// inbox opens and reads what arrives and hands it to the loop.
type inbox struct {
	clocks
	opener *seal.Opener
	events chan<- any
	done   <-chan struct{}
	refuse func(seal.Refusal, seal.Header, netip.AddrPort)
	bad    func(from uint8, err error)

	mu       sync.Mutex
	newest   [256][heartbeat.MaxPaths]copyOf // by sender and path
	repeated uint64
}

// copyOf names a send: a path brings it twice, by the group and to our address.
type copyOf struct{ session, seq uint64 }

// second reports whether the send has just come by the same path; the loop need
// not wake for it.
func (in *inbox) second(h seal.Header, m *heartbeat.Message, path int) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := copyOf{h.Session, m.Seq}
	last := &in.newest[h.Sender][path]
	if *last == now {
		in.repeated++
		return true
	}
	*last = now
	return false
}

// copies returns how many second copies came.
func (in *inbox) copies() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.repeated
}

func (in *inbox) take(path int, d *multicast.Datagram) {
	header, payload, err := in.opener.Open(d.Data[seal.HeaderSize:seal.HeaderSize], d.Data)
	if err != nil {
		var refusal seal.Refusal
		if errors.As(err, &refusal) {
			in.refuse(refusal, header, d.Addr)
		}
		return
	}
	m, err := heartbeat.Parse(payload)
	if err != nil {
		in.bad(header.Sender, fmt.Errorf("from %s: %w", d.Addr, err))
		return
	}
	if in.second(header, m, path) {
		return
	}
	arrived, wall := in.arrival(d)
	select {
	case in.events <- heartbeat.Received{From: header.Sender, Session: header.Session, Path: uint8(path), Arrived: arrived, Wall: wall, Message: m}:
	case <-in.done:
	}
}

// arrival is when the kernel had the datagram, on both clocks; the wall time is
// 0 where its stamp can't be trusted.
func (in *inbox) arrival(d *multicast.Datagram) (clock.Instant, clock.Wall) {
	now := in.boot()
	if !d.StampValid {
		return now, 0
	}
	stamp := clock.Wall(d.Stamp.UnixNano())
	waited := in.wall().Sub(stamp)
	if waited < 0 || waited > time.Minute { // the wall clock was stepped meanwhile
		return now, 0
	}
	return now.Add(-waited), stamp
}
