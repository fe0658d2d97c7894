package pgm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
)

// pollable is an input that the kernel can be asked about.
type pollable interface {
	Input
	SyscallConn() (syscall.RawConn, error)
	SetReadDeadline(time.Time) error
}

// inlineReader read the sockets of a receiver, one goroutine at a time: the one that
// waits in Receive, so that a packet wakes the thread that wants it and no
// other. While the program is busy elsewhere a background reader does, for NAKs must not
// wait for it.
//
//	Receive --- nothing here ---> sleeps in poll --- packet ---> reads, returns
//	background reader --- nobody read for a while ---> the same, until Receive comes
//
// The sleeper is woken by a bell: for Close, the end of a context, what time
// made ready, or Receive coming for its sockets.
type inlineReader struct {
	inputs []pollable
	set    *pollSet // of the inputs

	reading sync.Mutex // held by who reads
	batch   []multicast.Datagram
	p       packet.Packet

	// Guarded by Receiver.mu:

	asleep     bool   // somebody sleeps or reads: the bell is heard
	rung       bool   // the bell, and the inputs' deadlines, are set
	closed     bool   // the set is
	receiving  bool   // Receive reads, or wants to
	visits     uint64 // how often it has
	seen       uint64 // of visits, by the background reader
	readerIdle bool   // the background reader waits for a call

	wakeReader chan struct{}
}

// newInlineReader makes a reader of a link's inputs; nil, without an error, when the kernel
// does not know them.
func newInlineReader(l Link) (*inlineReader, error) {
	e := &inlineReader{batch: newBatch(l), wakeReader: make(chan struct{}, 1)}
	for _, in := range l.Inputs() {
		p, ok := in.(pollable)
		if !ok {
			return nil, nil
		}
		e.inputs = append(e.inputs, p)
	}
	var err error
	if e.set, err = newPollSet(e.inputs); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return e, nil
}

// ring wakes who sleeps; it needs mu.
func (e *inlineReader) ring() {
	if !e.asleep || e.rung || e.closed {
		return
	}
	e.rung = true
	e.set.ring()
	for _, in := range e.inputs {
		// The kernel may say that there is something and have nothing, such as
		// a datagram with a bad checksum: then the reader waits for the next.
		in.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // closed: it is awake
	}
}

// silence takes a ring back; it needs mu.
func (e *inlineReader) silence() {
	e.asleep = false
	if !e.rung {
		return
	}
	e.rung = false
	e.set.silence()
	for _, in := range e.inputs {
		in.SetReadDeadline(time.Time{}) //nolint:errcheck // closed: the next Read says so
	}
}

// sleep waits for a packet unless stay, asked with mu, says that there is
// something better to do, and takes what came. It needs reading.
func (r *Receiver) sleep(stay func() bool) {
	e := r.inline
	r.mu.Lock()
	if e.closed || isClosed(r.done) || !stay() {
		r.mu.Unlock()
		return
	}
	e.asleep = true
	r.mu.Unlock()
	err := e.set.wait()
	for i, in := range e.inputs {
		if err == nil && e.set.has(i) {
			r.read(i, in)
		}
	}
	r.mu.Lock()
	e.silence()
	r.mu.Unlock()
}

// read takes what one input has.
func (r *Receiver) read(i int, in Input) {
	n, err := in.Read(r.inline.batch)
	switch {
	case err == nil:
		r.receiveBatch(&r.inline.p, r.inline.batch[:n])
		r.writeOut()
	case !errors.Is(err, os.ErrDeadlineExceeded) && !multicast.Transient(err):
		r.inline.set.drop(i) // it is closed or broken for good
	}
}

// readInline lets the caller of Receive read the sockets, until something came
// or ctx ends.
func (r *Receiver) readInline(ctx context.Context) {
	e := r.inline
	r.mu.Lock()
	e.receiving = true
	e.ring() // the background reader, if it reads
	r.mu.Unlock()
	e.reading.Lock()
	stop := func() bool { return false }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			e.ring()
		})
	}
	r.sleep(func() bool { return ctx.Err() == nil && len(r.ready) == 0 })
	stop()
	e.reading.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	e.receiving = false
	e.visits++
	if e.readerIdle {
		e.readerIdle = false
		e.wakeReader <- struct{}{}
	}
}

// backgroundAfter is how long Receive stays away before the background reader does.
const backgroundAfter = 5 * time.Millisecond

// backgroundReader reads while the program is away.
func (r *Receiver) backgroundReader() {
	e := r.inline
	t := time.NewTimer(0) // nobody has come yet
	defer t.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-e.wakeReader:
		case <-t.C:
		}
		r.mu.Lock()
		came := e.visits != e.seen
		e.seen = e.visits
		e.readerIdle = e.receiving && !came
		gone, rest := !e.receiving && !came, e.readerIdle
		r.mu.Unlock()
		if gone {
			r.readUntilReceive()
		}
		if !rest {
			t.Reset(backgroundAfter)
		}
	}
}

// readUntilReceive reads until Receive comes.
func (r *Receiver) readUntilReceive() {
	e := r.inline
	e.reading.Lock()
	defer e.reading.Unlock()
	for !isClosed(r.done) {
		came := false
		r.sleep(func() bool { came = e.receiving; return !came })
		if came {
			return
		}
	}
}

// close lets the sockets go; the link is closed, and who read has been woken.
func (e *inlineReader) close(mu *sync.Mutex) {
	e.reading.Lock()
	defer e.reading.Unlock()
	mu.Lock()
	defer mu.Unlock()
	e.closed = true
	e.set.close()
}
