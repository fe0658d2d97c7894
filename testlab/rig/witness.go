package rig

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// The most a witness remembers, the rest is not kept, and reads.
const (
	maxSpans         = 1 << 18
	maxAnnouncements = 1 << 16
	maxFrame         = 2048 // bytes; what is longer tells nothing of an address
)

// Witness asks a network over and over who has an address, by ARP or by neighbour
// solicitation, and writes down every answer. It looks at frames only, as a switch
// does, so it sees two owners where a client sees the one it happens to reach.
//
// Each ask begins a round and carries the time of its sending in a field that nobody
// looks at; its copy on the witness's own card puts it in order with the answers, so
// that a delay of the witness itself shifts no answer into another round.
type Witness struct {
	lab     *Lab
	address netip.Addr
	asks    asker
	start   time.Time
	every   time.Duration
	sender  *packet.Conn
	watcher *packet.Conn
	stop    context.CancelFunc
	ended   <-chan struct{}
	run     sync.WaitGroup

	mu        sync.Mutex
	spans     []Span
	round     []string  // owners that answered the round that is open
	opened    time.Time // zero before the first round
	last      map[string]time.Time
	announced []Announcement
}

// Span is a time in which the same owners answered every ask.
type Span struct {
	From, To time.Time
	Owners   []string // names of hosts, or hardware addresses the lab doesn't know
}

// Announcement is a gratuitous ARP, request or reply, or an unsolicited neighbour
// advertisement of the watched address.
type Announcement struct {
	At    time.Time
	Owner string // as in Span
}

// Witness watches an address from this port, asking at the given interval.
func (p *Port) Witness(address netip.Addr, every time.Duration) *Witness {
	ctx, stop := context.WithCancel(context.Background())
	w := &Witness{
		lab: p.host.lab, address: address, start: time.Now(), every: every,
		stop: stop, ended: ctx.Done(), last: make(map[string]time.Time),
	}
	var err error
	if w.asks, err = p.asker(address); err == nil {
		err = p.host.Do(func() error { return w.open(p) })
	}
	if err != nil {
		p.broken("watch "+address.String()+" from", err)
	}
	w.run.Go(w.ask)
	w.run.Go(w.watch)
	if !p.host.owe(w.Close) {
		w.Close()
	}
	return w
}

// Close ends the watching; what was seen can still be read.
func (w *Witness) Close() {
	w.stop()
	w.sender.Close()
	w.watcher.Close()
	w.run.Wait()
}

// open makes two sockets, since a socket isn't shown what it sent itself.
func (w *Witness) open(p *Port) error {
	card, err := net.InterfaceByName(p.name)
	if err != nil {
		return err
	}
	const nothing = 0
	if w.sender, err = packet.Listen(card, packet.Raw, nothing, nil); err != nil {
		return err
	}
	if w.watcher, err = packet.Listen(card, packet.Raw, unix.ETH_P_ALL, nil); err != nil {
		w.sender.Close()
	}
	return err
}

// ask sends one ask per interval, leaving out what it was not woken for in time.
func (w *Witness) ask() {
	ticker := time.NewTicker(w.every)
	defer ticker.Stop()
	for {
		select {
		case <-w.ended:
			return
		case <-ticker.C:
		}
		if frame, to, err := w.asks.frame(time.Since(w.start)); err == nil {
			// An ask that can't be sent, its card being down, begins no round.
			w.sender.WriteTo(frame, &packet.Addr{HardwareAddr: to})
		}
	}
}

// watch reads every frame on the card until it is closed.
func (w *Witness) watch() {
	buffer := make([]byte, maxFrame)
	for {
		n, _, err := w.watcher.ReadFrom(buffer)
		if err != nil {
			select {
			case <-w.ended:
				return
			default:
				continue // the card went down; it may come back
			}
		}
		if seen, ok := w.asks.read(buffer[:n]); ok {
			w.note(seen)
		}
	}
}

// sighting is what a frame says of the watched address.
type sighting struct {
	kind  sightingKind
	asked time.Duration // of an ask: when it was sent, since the witness's start
	mac   net.HardwareAddr
}

type sightingKind int

const (
	sawAsk sightingKind = iota
	sawAnswer
	sawAnnouncement
)

func (w *Witness) note(s sighting) {
	owner := w.lab.Owner(s.mac)
	if owner == "" {
		owner = s.mac.String()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch s.kind {
	case sawAsk:
		w.closeRound(w.start.Add(s.asked))
	case sawAnswer:
		w.round = include(w.round, owner)
	case sawAnnouncement:
		if len(w.announced) < maxAnnouncements {
			w.announced = append(w.announced, Announcement{time.Now(), owner})
		}
	}
}
