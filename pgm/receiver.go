package pgm

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// Message is one message as it was sent.
type Message struct {
	Data   []byte // the caller's to keep
	Source packet.TSI
	From   netip.Addr // the host the session was first heard from
	Number packet.Seq // what the sender's Send returned for it; packed messages share one

	session *session
	place   place // right after it
}

// Receiver hears every session of one group and port. Its methods may be
// called by several goroutines.
type Receiver struct {
	o      ReceiverOptions
	link   Link
	clock  clock
	flow   FlowConn      // nil without flow control
	queue  int           // packets that may wait in the socket
	id     uint64        // tells senders this receiver from another at its address
	inline *inlineReader // nil when the kernel does not know the link: then each input has a goroutine

	mu       sync.Mutex
	sessions map[packet.TSI]*session
	order    []*session // the same, in the order they are served
	block    []byte     // memory for payloads to come
	outgoing []multicast.Datagram
	reports  []report
	pollers  map[packet.TSI]poller // senders that know this receiver
	leaving  bool                  // Close has begun
	goodbyes map[packet.TSI]bool   // not confirmed yet
	events   []Event               // warnings for Next to return
	armed    window.Instant        // when the timer is set to
	stats    ReceiverStats

	apart chan Event // what Receive met beside messages

	turn  chan struct{} // held by the one caller of Next that may look
	taken []delivery    // pulled from the windows, not returned yet
	next  int           // of taken

	ready chan struct{} // something may be pulled
	rearm chan struct{} // the timer must be set earlier
	done  chan struct{} // closed by Close
	gone  chan struct{} // closed when every goodbye is confirmed
	once  sync.Once
	once2 sync.Once // closes gone
	tasks sync.WaitGroup
}

// delivery is one result of Next.
type delivery struct {
	m     Message
	event Event
	s     *session // nil: of none
	after place
}

// NewReceiver hears the group of a link, which it owns from now on.
func NewReceiver(l Link, o ReceiverOptions) (*Receiver, error) {
	if err := errors.Join(o.check(), checkSeal(o.Seal, l)); err != nil {
		l.Close()
		return nil, err
	}
	o = o.withDefaults()
	r := &Receiver{o: o, link: l, clock: newClock(), sessions: map[packet.TSI]*session{}, pollers: map[packet.TSI]poller{}, gone: make(chan struct{}), armed: window.Never,
		queue: o.Window.Packets, id: rand.Uint64(), apart: make(chan Event, eventsKept), turn: make(chan struct{}, 1), ready: make(chan struct{}, 1), rearm: make(chan struct{}, 1), done: make(chan struct{})}
	if b, ok := l.(buffered); ok {
		r.queue = min(r.queue, max(b.Queue(), 64))
	}
	r.flow = o.FlowConn
	if r.flow == nil && o.Flow.IsValid() {
		c, err := listenFlow(o.Flow)
		if err != nil {
			l.Close()
			return nil, err
		}
		r.flow = c
	}
	if r.flow != nil {
		r.flow = sealFlow(r.flow, o.Seal)
	}
	inline, err := newInlineReader(l)
	if err != nil {
		l.Close()
		if r.flow != nil {
			r.flow.Close()
		}
		return nil, err
	}
	r.inline = inline
	r.start()
	return r, nil
}

// start starts the receiver's goroutines; all of them end with the link.
func (r *Receiver) start() {
	if r.inline != nil {
		r.tasks.Go(r.backgroundReader)
	} else {
		for _, in := range r.link.Inputs() {
			r.tasks.Go(func() { r.listen(in) })
		}
	}
	r.tasks.Go(r.work)
	if r.flow != nil {
		r.tasks.Go(r.hearPolls)
	}
}

// Receive returns the next message of any source; those of one source come in the order
// they were sent. What happens to sources beside goes to Events. The errors are the
// context's, and net.ErrClosed: after any other thing Receive just goes on, so that a
// loop which ends at the first error does not end at the first hole.
func (r *Receiver) Receive(ctx context.Context) (Message, error) {
	for {
		m, err := r.Next(ctx)
		event, ok := err.(Event)
		if !ok {
			return m, err
		}
		select {
		case r.apart <- event:
		default:
			r.mu.Lock()
			r.stats.EventsLost++
			r.mu.Unlock()
		}
	}
}

// eventsKept is how many events wait for a program that does not read them.
const eventsKept = 256

// Events returns what Receive has met beside messages: losses, restarts, ends, stalls and
// being left behind. Of a program that does not read it 256 are kept, what comes then is
// counted (ReceiverStats.EventsLost). It is never closed.
func (r *Receiver) Events() <-chan Event { return r.apart }

// Messages ranges over Receive until its first error, which comes last.
func (r *Receiver) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := r.Receive(ctx)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Next returns the next message of any source, or the next event: as an error that is an
// Event, in its place among the messages of its source. After an event more may come. The
// other errors are the context's and net.ErrClosed.
func (r *Receiver) Next(ctx context.Context) (Message, error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
	defer func() { <-r.turn }()
	for {
		if r.next < len(r.taken) {
			d := r.taken[r.next]
			r.taken[r.next] = delivery{}
			r.next++
			d.returned()
			if d.event != nil {
				return Message{}, d.event
			}
			return d.m, nil
		}
		if isClosed(r.done) {
			return Message{}, net.ErrClosed
		}
		if r.fill() {
			continue
		}
		if r.inline != nil {
			if err := ctx.Err(); err != nil {
				return Message{}, err
			}
			r.readInline(ctx)
			continue
		}
		select {
		case <-r.ready:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		case <-r.done:
		}
	}
}

// maxTaken is how many messages are pulled from the windows at once.
const maxTaken = 256

// fill pulls what is ready, each source in turn.
func (r *Receiver) fill() bool {
	r.taken, r.next = r.taken[:0], 0
	now := r.clock.now()
	r.mu.Lock()
	select {
	case <-r.ready: // about what is pulled now
	default:
	}
	for _, event := range r.events {
		r.taken = append(r.taken, delivery{event: event})
	}
	r.events = r.events[:0]
	for i := 0; i < len(r.order) && len(r.taken) < maxTaken; i++ {
		s := r.order[i]
		s.pull(r, maxTaken/min(len(r.order), 8))
		r.tellAdvance(s, now) // the program has had what was pulled before
		r.tellSoon(s, now)
	}
	if len(r.order) > 1 { // the first is the last next time
		r.order = append(r.order[1:], r.order[0])
	}
	r.mu.Unlock()
	r.writeOut()
	return len(r.taken) > 0
}

// notifyReader lets Receive look; it needs mu.
func (r *Receiver) notifyReader() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// wakeReader is notifyReader for those who do not read the sockets: Receive may
// sleep over them. It needs mu.
func (r *Receiver) wakeReader() {
	r.notifyReader()
	if r.inline != nil && r.inline.receiving {
		r.inline.ring()
	}
}

// Close leaves the group. What was received but not returned is gone. Closing
// again does nothing.
func (r *Receiver) Close() error {
	var err error
	r.once.Do(func() {
		r.sayGoodbye()
		close(r.done)
		if r.inline != nil {
			r.mu.Lock()
			r.inline.ring()
			r.mu.Unlock()
		}
		err = r.link.Close()
		if r.flow != nil {
			r.flow.Close()
		}
		r.tasks.Wait()
		if r.inline != nil {
			r.inline.close(&r.mu)
		}
	})
	return err
}

// work does what time makes due.
func (r *Receiver) work() {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-r.rearm:
		case <-t.C:
		}
		now := r.clock.now()
		r.mu.Lock()
		r.ask(now)
		r.tick(now)
		ready := false
		for _, s := range r.order {
			ready = ready || s.w.Ready()
		}
		if ready {
			r.wakeReader()
		}
		r.armed = r.deadline(now)
		next := r.clock.until(r.armed)
		r.mu.Unlock()
		r.writeOut()
		t.Reset(max(next, 50*time.Microsecond))
	}
}

// writeOut writes the NAKs, SPMRs and reports that were queued.
func (r *Receiver) writeOut() {
	r.mu.Lock()
	out, reports := r.outgoing, r.reports
	r.outgoing, r.reports = nil, nil
	r.mu.Unlock()
	for len(out) > 0 { // what is lost will be asked for again
		n, err := r.link.Write(out)
		if err != nil && !multicast.Transient(err) {
			break
		}
		out = out[min(len(out), n+1):]
	}
	for _, m := range reports {
		r.flow.Write(m.b, m.to) //nolint:errcheck // the sender asks again
	}
}
