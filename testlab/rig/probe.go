package rig

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sort"
	"sync"
	"time"
)

const (
	probeInterval  = time.Millisecond
	connectEvery   = 20 * time.Millisecond
	connectTimeout = 200 * time.Millisecond
	maxProbes      = 1 << 20 // after that, some 17 minutes, nothing is recorded any more

	// settling is how long an answer may take; a report waits for it.
	settling = 200 * time.Millisecond
)

// Probe is a client that never tires: it asks a responder's address for its name by a
// UDP datagram every millisecond and by a TCP connection every 20 ms, and records when
// who answered. Only answers from the address asked count.
type Probe struct {
	target netip.AddrPort
	start  time.Time
	socket *net.UDPConn
	stop   context.CancelFunc
	ended  <-chan struct{}
	run    sync.WaitGroup

	mu       sync.Mutex
	sent     []time.Duration // by sequence number, since start
	datagram record
	stream   record
	tries    []try
}

// record is the answers of one kind, in the order of their arrival.
type record []answer

type answer struct {
	at   time.Duration // since start
	sent time.Duration // of the question
	who  string
}

// try is one attempt to connect.
type try struct {
	begun    time.Duration
	answered bool
}

// Probe starts asking target from the host.
func (h *Host) Probe(target netip.AddrPort) *Probe {
	ctx, stop := context.WithCancel(context.Background())
	p := &Probe{target: target, start: time.Now(), stop: stop, ended: ctx.Done()}
	err := h.Do(func() (err error) {
		p.socket, err = net.ListenUDP("udp", nil)
		return err
	})
	if err == nil {
		err = stampArrivals(p.socket)
	}
	if err != nil {
		h.lab.broken(fmt.Errorf("probe of %s from %s: %w", target, h.name, err))
	}
	p.run.Go(p.ask)
	p.run.Go(p.listen)
	const overlapping = int(connectTimeout / connectEvery)
	for i := range overlapping {
		p.run.Go(func() { h.Do(func() error { return p.connect(i) }) })
	}
	if !h.owe(p.Close) {
		p.Close()
	}
	return p
}

// Close ends the asking; what was recorded can still be reported.
func (p *Probe) Close() {
	p.stop()
	p.socket.Close()
	p.run.Wait()
}

// ask sends the datagrams. When it was not woken in time, it leaves out what it missed.
func (p *Probe) ask() {
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-ticker.C:
		}
		p.mu.Lock()
		sequence := len(p.sent)
		if sequence < maxProbes {
			p.sent = append(p.sent, time.Since(p.start))
		}
		p.mu.Unlock()
		if sequence == maxProbes {
			return
		}
		// A question that can't be sent is one that is not answered.
		p.socket.WriteToUDPAddrPort(binary.BigEndian.AppendUint64(nil, uint64(sequence)), p.target)
	}
}

// listen records the answers to the datagrams.
func (p *Probe) listen() {
	buffer, control := make([]byte, largestQuestion), make([]byte, 128)
	for {
		n, m, _, from, err := p.socket.ReadMsgUDPAddrPort(buffer, control)
		at := Arrival(control[:m]).Sub(p.start)
		if err != nil {
			select {
			case <-p.ended:
				return
			default:
				continue
			}
		}
		if n < 8 || from.Addr().Unmap() != p.target.Addr() {
			continue
		}
		p.mu.Lock()
		if sequence := binary.BigEndian.Uint64(buffer); sequence < uint64(len(p.sent)) {
			p.datagram = append(p.datagram, answer{at: at, sent: p.sent[sequence], who: string(buffer[8:n])})
		}
		p.mu.Unlock()
	}
}

// connect is one of the connectors that take turns, so that one which waits for an
// answer doesn't keep the next from trying.
func (p *Probe) connect(turn int) error {
	for {
		select {
		case <-p.ended:
			return nil
		case <-time.After(untilTurn(turn, time.Since(p.start))):
		}
		begun := time.Since(p.start)
		who, err := p.callOnce()
		p.recordTry(begun, who, err == nil)
	}
}

// untilTurn is the time from now, counted since the probe's start, to a connector's
// next turn: turns are a round of connectTimeout long, connectEvery apart.
func untilTurn(turn int, now time.Duration) time.Duration {
	const round = connectTimeout
	since := now - time.Duration(turn)*connectEvery + round
	return round - since%round
}

func (p *Probe) recordTry(begun time.Duration, who string, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tries) == maxProbes {
		return
	}
	p.tries = append(p.tries, try{begun, answered})
	if answered {
		p.stream = append(p.stream, answer{at: time.Since(p.start), sent: begun, who: who})
	}
}

// callOnce connects and reads the name.
func (p *Probe) callOnce() (string, error) {
	deadline := time.Now().Add(connectTimeout)
	dialer := net.Dialer{Deadline: deadline}
	conn, err := dialer.Dial("tcp", p.target.String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(deadline)
	name, err := io.ReadAll(io.LimitReader(conn, largestQuestion))
	if err == nil && len(name) == 0 {
		err = io.ErrUnexpectedEOF
	}
	return string(name), err
}

// Last says who answered a datagram last and when; empty if nobody ever did.
func (p *Probe) Last() (who string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.datagram) == 0 {
		return "", time.Time{}
	}
	last := p.datagram[len(p.datagram)-1]
	return last.who, p.start.Add(last.at)
}

// Steady waits until that host alone has answered for a while, datagrams and
// connections, with no gap longer than a tenth of the while. A gap while the probe did
// not ask, its machine being busy, is the probe's own.
func (p *Probe) Steady(ctx context.Context, who string, while time.Duration) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	from := time.Now()
	for {
		if end := time.Now(); end.Sub(from) >= while && p.steady(who, end.Add(-while), end) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer steadily from %s: %w", who, p.target, ctx.Err())
		case <-ticker.C:
		}
	}
}

func (p *Probe) steady(who string, from, to time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	begin, end := from.Sub(p.start), to.Sub(p.start)
	// What asks and what answers share the machine: each may wait for a processor.
	limit := max((end-begin)/10, 10*probeInterval) + 2*p.stall(begin, end)
	return p.datagram.only(who, begin, end) && p.stream.only(who, begin, end) &&
		p.datagram.gap(begin, end) <= limit
}

// stall is the longest time, beyond its interval, that the probe did not ask in that
// time. p.mu is held.
func (p *Probe) stall(begin, end time.Duration) time.Duration {
	first := sort.Search(len(p.sent), func(i int) bool { return p.sent[i] >= begin })
	after := sort.Search(len(p.sent), func(i int) bool { return p.sent[i] >= end })
	return max(0, longest(p.sent[first:after], begin, end)-probeInterval)
}
