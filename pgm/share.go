package pgm

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"vipd/multicast"
	"vipd/pgm/packet"
)

// Shared lets several senders use one link, with an order between them: what a sender of a
// lower class has to write goes before what one of a higher class has. Each sender has its
// own TSI, window and rate.
type Shared struct {
	link   Link
	mu     sync.Mutex
	turn   sync.Cond // on mu: a write has ended, or a writer waits no longer
	busy   bool      // somebody writes
	queued map[int]int
	views  []*sharedLink
	closed bool
	over   chan struct{} // closed when nothing more is read
	tasks  sync.WaitGroup
}

// Share shares a link, which it owns from now on: the link is closed with the last of the
// senders, or by Close.
func Share(l Link) *Shared {
	sh := &Shared{link: l, queued: map[int]int{}, over: make(chan struct{})}
	sh.turn.L = &sh.mu
	var readers sync.WaitGroup
	for _, in := range l.Inputs() {
		readers.Add(1)
		sh.tasks.Go(func() {
			defer readers.Done()
			sh.read(in)
		})
	}
	sh.tasks.Go(func() {
		readers.Wait()
		close(sh.over)
	})
	return sh
}

// Link returns a link for one Sender of a class. A sender of a lower class waits for at most
// one write of a higher one, of turnDatagrams datagrams; one that always has something to
// write keeps higher classes waiting, so give it a Rate. A Receiver hears nothing on it.
func (sh *Shared) Link(class int) Link {
	v := &sharedLink{Shared: sh, class: class, queue: make(chan multicast.Datagram, sharedQueue), done: make(chan struct{})}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.views = append(sh.views, v)
	return v
}

// Close closes the link for all its senders. Closing again does nothing.
func (sh *Shared) Close() error {
	sh.mu.Lock()
	first := !sh.closed
	sh.closed = true
	sh.turn.Broadcast()
	sh.mu.Unlock()
	if !first {
		return nil
	}
	err := sh.link.Close()
	sh.tasks.Wait()
	return err
}

const (
	// turnDatagrams is how many datagrams go in one write: another class may wait for it.
	turnDatagrams = 8
	// sharedQueue is how many packets of receivers may wait for one sender.
	sharedQueue = 1024
)

// write writes some of a batch when it is the class's turn.
func (sh *Shared) write(class int, batch []multicast.Datagram) (int, error) {
	sh.mu.Lock()
	sh.queued[class]++
	for !sh.closed && (sh.busy || sh.before(class)) {
		sh.turn.Wait()
	}
	if sh.queued[class]--; sh.queued[class] == 0 {
		delete(sh.queued, class)
	}
	if sh.closed {
		sh.mu.Unlock()
		return 0, net.ErrClosed
	}
	sh.busy = true
	sh.mu.Unlock()
	n, err := sh.link.Write(batch[:min(turnDatagrams, len(batch))])
	sh.mu.Lock()
	sh.busy = false
	sh.turn.Broadcast()
	sh.mu.Unlock()
	return n, err
}

// before reports whether a lower class waits; it needs mu.
func (sh *Shared) before(class int) bool {
	for other := range sh.queued {
		if other < class {
			return true
		}
	}
	return false
}

// read hands what receivers send to the senders that it is for, until the link closes.
func (sh *Shared) read(in Input) {
	batch := multicast.NewBatch(16, 1<<16) // the kernel may have joined several
	for {
		n, err := in.Read(batch)
		if err != nil {
			if multicast.Transient(err) {
				continue
			}
			return
		}
		for i := range batch[:n] {
			d := &batch[i]
			for b := range d.Segments() {
				sh.deliver(b, d)
			}
		}
	}
}

// deliver hands one packet on by the port that the senders' sessions have; one for no sender
// of ours may be for another of this host. A full queue loses it: it will be sent again.
func (sh *Shared) deliver(b []byte, d *multicast.Datagram) {
	if len(b) < packet.HeaderLen || !packet.Type(b[packet.TypeOffset]).Upstream() {
		return
	}
	port := be.Uint16(b[2:])
	sh.mu.Lock()
	defer sh.mu.Unlock()
	known := false
	for _, v := range sh.views {
		if !v.claimed || v.tsi.Port != port {
			continue
		}
		known = true
		select {
		case v.queue <- multicast.Datagram{Addr: d.Addr, Multicast: d.Multicast, Data: append([]byte(nil), b...)}:
		default:
		}
	}
	if r, ok := sh.link.(relayer); ok && !known && !d.Multicast {
		r.Relay(b) //nolint:errcheck // it will be asked again
	}
}

// sharedLink is a Shared as one sender sees it.
type sharedLink struct {
	*Shared
	class   int
	tsi     packet.TSI // guarded by Shared.mu
	claimed bool
	queue   chan multicast.Datagram
	done    chan struct{}
	once    sync.Once
}

// claimer is a link that must know which session its packets are for.
type claimer interface{ claim(packet.TSI) error }

func (v *sharedLink) claim(t packet.TSI) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, other := range v.views {
		if other.claimed && other.tsi == t {
			return fmt.Errorf("the link has a sender with the TSI %s already", t)
		}
	}
	v.tsi, v.claimed = t, true
	return nil
}

func (v *sharedLink) Write(batch []multicast.Datagram) (sent int, err error) {
	for sent < len(batch) {
		if isClosed(v.done) {
			return sent, net.ErrClosed
		}
		n, err := v.write(v.class, batch[sent:])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (v *sharedLink) Read(batch []multicast.Datagram) (int, error) {
	select {
	case d := <-v.queue:
		batch[0] = d
		return 1, nil
	case <-v.done:
	case <-v.over:
	}
	return 0, net.ErrClosed
}

// Relay passes a packet on to the other senders of this host, unless it is for one that
// shares the link.
func (v *sharedLink) Relay(p []byte) error {
	v.mu.Lock()
	others := 0
	for _, other := range v.views {
		if other.claimed && other.tsi.Port == be.Uint16(p[2:]) {
			others++
		}
	}
	v.mu.Unlock()
	if r, ok := v.link.(relayer); ok && others < 2 {
		return r.Relay(p)
	}
	return nil
}

func (v *sharedLink) Inputs() []Input   { return []Input{v} }
func (v *sharedLink) Local() netip.Addr { return v.link.Local() }
func (v *sharedLink) Group() netip.Addr { return v.link.Group() }
func (v *sharedLink) MaxPacket() int    { return v.link.MaxPacket() }
func (v *sharedLink) Segments() bool    { return v.link.Segments() }

// Close ends the use by this sender; the last one closes the link.
func (v *sharedLink) Close() error {
	last := false
	v.once.Do(func() {
		close(v.done)
		v.mu.Lock()
		defer v.mu.Unlock()
		for i, other := range v.views {
			if other == v {
				v.views = append(v.views[:i], v.views[i+1:]...)
				break
			}
		}
		last = len(v.views) == 0
	})
	if last {
		return v.Shared.Close()
	}
	return nil
}
