package pgm

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// Sender is the source of one session. Its methods may be called by several
// goroutines.
type Sender struct {
	o     SenderOptions
	link  Link
	clock clock
	tsi   packet.TSI
	life  uint64     // a random number of this session, for flow control
	first packet.Seq // number of the first packet

	begun               atomic.Bool // the first packet was built
	wholeRoom, partRoom int         // octets of a message, or of a fragment, in one packet

	mu           sync.Mutex
	writing      bool      // somebody writes to the link: out is theirs
	rested       sync.Cond // on mu: somebody has stopped writing
	out          *outbox
	w            *window.Send
	spm          *window.SPMTimer
	flow         *window.Flow
	bucket       window.Bucket
	scratch      packet.Packet
	unsent       packet.Seq // first number that was not written yet
	packed       []byte     // short messages that wait to become one packet
	control      [][]byte   // SPMs and NCFs to be written next
	spmSeq       packet.Seq
	fin, rst     bool
	code         uint8
	closed       bool
	failed       error
	idleAt       window.Instant // when the last write ended
	promptWrites int            // messages that their callers may still write at once
	full         bool           // a caller had a full batch to write since the writer looked
	armed        window.Instant // when tick comes next
	spmrAt       window.Instant // when an SPMR was last answered
	unheard      int            // packets that were repaired in vain, as last told
	unheardAt    window.Instant // when that was
	waiters      int
	wake         chan struct{} // closed to wake who waits in Send
	criers       criers
	stats        SenderStats

	known  knownReceivers
	kick   chan struct{} // something waits to be written
	done   chan struct{} // closed when the goroutines are to end
	gone   chan struct{} // closed when they have
	result error         // of Close, before gone is closed
	tasks  sync.WaitGroup
}

// NewSender starts a session on a link, which it owns from now on. Three SPMs
// go out before it returns, so that receivers can ask for the first packet.
func NewSender(l Link, o SenderOptions) (*Sender, error) {
	if err := errors.Join(o.check(), checkSeal(o.Seal, l)); err != nil {
		l.Close()
		return nil, err
	}
	o = o.withDefaults()
	s := &Sender{o: o, link: l, clock: newClock(), out: newOutbox(l, o.Seal), criers: criers{},
		wake: make(chan struct{}), kick: make(chan struct{}, 1), done: make(chan struct{}), gone: make(chan struct{})}
	s.rested.L = &s.mu
	s.measure()
	now := s.clock.now()
	s.tsi = chooseTSI(o, l.Local())
	if c, ok := l.(claimer); ok {
		if err := c.claim(s.tsi); err != nil {
			l.Close()
			return nil, fmt.Errorf("start pgm session %s: %w", s.tsi, err)
		}
	}
	s.life, s.first, s.spmSeq = rand.Uint64(), o.first(), firstSPM()
	s.unsent = s.first
	s.w = window.NewSend(window.SendConfig{Packets: o.Window, MaxPacket: s.maxPacket(), Keep: o.Keep, Holdoff: time.Millisecond, First: s.first})
	s.spm = window.NewSPMTimer(now, o.SPM)
	s.flow = window.NewFlow(0, s.first, o.Window, o.LeaveBehind)
	s.bucket = window.NewBucket(now, o.Rate, o.Burst)
	s.known.index = map[netip.AddrPort]int{}
	for _, a := range o.Receivers {
		if err := s.AddReceiver(a); err != nil {
			s.shut()
			return nil, err
		}
	}
	for range 3 {
		s.queueSPM()
	}
	if err := s.flush(); err != nil {
		s.shut()
		return nil, fmt.Errorf("start pgm session %s: %w", s.tsi, err)
	}
	s.start()
	return s, nil
}

// start starts the sender's goroutines; all of them end with the link.
func (s *Sender) start() {
	for _, in := range s.link.Inputs() {
		s.tasks.Go(func() { s.listen(in) })
	}
	s.tasks.Go(s.work)
}

// first is the number of the first packet.
func (o SenderOptions) first() packet.Seq {
	switch {
	case o.First != nil:
		return *o.First
	case o.SourcePort != 0:
		return packet.Seq(rand.Uint32())
	}
	return 0
}

// firstSPM is the number of the first SPM: a random one, so that the SPMs of two sessions
// with one TSI do not look like one row. It is in the lower half, as OpenPGM takes no other
// for its first.
func firstSPM() packet.Seq { return packet.Seq(rand.Uint32N(1 << 30)) }

// chooseTSI fills in what the options leave open: the GSI is made of the host
// name as section 8 suggests, and of the address, so that two hosts that share
// a name differ; the source port is random.
func chooseTSI(o SenderOptions, local netip.Addr) packet.TSI {
	t := packet.TSI{GSI: o.GSI, Port: o.SourcePort}
	if t.GSI == (packet.GSI{}) {
		name, _ := os.Hostname() // the address alone still tells hosts apart
		sum := md5.Sum([]byte(name + " " + local.String()))
		copy(t.GSI[:], sum[10:])
	}
	if o.Epoch != 0 {
		be.PutUint32(t.GSI[2:], o.Epoch)
	}
	for t.Port == 0 || t.Port == o.Port && o.SourcePort == 0 {
		t.Port = uint16(1024 + rand.IntN(1<<16-1024))
	}
	return t
}

// TSI returns the session's identifier.
func (s *Sender) TSI() packet.TSI { return s.tsi }

// Send sends one message and returns its number, which receivers find in Message.Number:
// that of its first packet. It returns when the message is in the window, not when
// anybody has it. It waits for the rate, and for known receivers without room, as long as
// ctx allows. The errors are ErrTooLong, the context's, net.ErrClosed, or the link's.
func (s *Sender) Send(ctx context.Context, m []byte) (packet.Seq, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	count := s.packets(len(m))
	if len(m) > s.maxMessage() || count > s.o.MaxFragments || count > max(s.o.Window/2, 1) {
		return 0, fmt.Errorf("send %d octets: %w", len(m), ErrTooLong)
	}
	if s.o.Pack {
		if n, ok := s.tryPack(m); ok {
			return n, nil
		}
	}
	now := s.clock.now()
	s.mu.Lock()
	for {
		wait, ok := s.admit(now, count, len(m))
		if ok {
			break
		}
		if err := s.await(ctx, wait); err != nil { // releases mu meanwhile
			s.mu.Unlock()
			return 0, err
		}
		now = s.clock.now()
	}
	number := s.take(now, m)
	write, end := s.dueNow(now, count), s.w.Next()
	s.mu.Unlock()
	if write {
		return number, s.writeTo(end)
	}
	s.wakeWriter()
	return number, nil
}

// SetRate changes the limit of Rate and Burst from now on; 0 octets a second is no limit,
// and 0 of burst the default.
func (s *Sender) SetRate(rate, burst float64) error {
	o := SenderOptions{Rate: rate, Burst: burst}
	if err := o.check(); err != nil {
		return err
	}
	o = o.withDefaults()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bucket = window.NewBucket(s.clock.now(), o.Rate, o.Burst)
	s.wakeSenders()
	return nil
}

// admit reports whether count packets with n octets may be pushed now, or how
// long to wait at most before asking again.
func (s *Sender) admit(now window.Instant, count, n int) (time.Duration, bool) {
	const recheck = 5 * time.Millisecond
	if len(s.packed) > 0 {
		count++ // the packet begun before goes first
	}
	switch {
	case s.closed || s.failed != nil:
		return 0, false
	case s.w.Pinned(), s.w.Next().From(s.unsent)+count > max(min(maxUnsent, s.o.Window/2), count):
		return 0, false // write first
	}
	was := s.flow.Blocked()
	if !s.flow.MaySend(now, s.w.Next(), count) {
		if !was {
			s.stats.Blocked++
		}
		return recheck, false
	}
	if wait := s.bucket.Take(now, n+count*(packet.DataHeaderLen+sealOverhead(s.o.Seal))); wait > 0 {
		return wait, false
	}
	return 0, true
}

// await writes what waits, lets d pass or something change, with mu released;
// d 0 is as long as another goroutine writes.
func (s *Sender) await(ctx context.Context, d time.Duration) error {
	if err := s.broken(); err != nil {
		return err
	}
	wake, end := s.wake, s.w.Next()
	s.waiters++
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.waiters-- }()
	if err := s.writeTo(end); err != nil {
		return err
	}
	var over <-chan time.Time // never, when it is the writer who is waited for
	if d > 0 {
		s.pollDue(s.clock.now(), blockedPoll) // an answer may be lost: ask again
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wake:
	case <-over:
	}
	return nil
}

// broken returns why nothing can be sent any more, or nil.
func (s *Sender) broken() error {
	if s.failed != nil {
		return s.failed
	}
	if s.closed {
		return net.ErrClosed
	}
	return nil
}

// wakeSenders lets everybody who waits in Send look again. It needs mu.
func (s *Sender) wakeSenders() {
	if s.waiters > 0 {
		close(s.wake)
		s.wake = make(chan struct{})
	}
}

// wakeWriter lets the sender's own goroutine write soon.
func (s *Sender) wakeWriter() {
	select {
	case s.kick <- struct{}{}:
	default: // it is awake
	}
}

// spmPacket builds the next SPM (sections 5.1.4, 5.1.5, 9.4, 9.7 and 9.8).
func (s *Sender) spmPacket() []byte {
	p := packet.Packet{Type: packet.SPM, SourcePort: s.tsi.Port, DestPort: s.o.Port, GSI: s.tsi.GSI,
		Seq: s.spmSeq, Trail: s.w.Trail(), Lead: s.unsent.Add(-1), Path: s.link.Local()}
	s.spmSeq++
	if s.o.LateJoin {
		p.Options.With(packet.OptJoin).Join = p.Trail
	}
	if s.rst {
		p.Options.With(packet.OptRST).ResetCode = s.code
	} else if s.fin {
		p.Options.With(packet.OptFIN)
	}
	return p.Append(make([]byte, 0, 64))
}

// queueSPM lets an SPM be written next; it needs mu, or a sender that has not
// started.
func (s *Sender) queueSPM() {
	s.queueControl(s.spmPacket())
	s.stats.SPMs++
}

// maxControl is how many SPMs and NCFs may wait to be written.
const maxControl = 256

func (s *Sender) queueControl(p []byte) {
	if len(s.control) == maxControl {
		s.stats.Overrun++
		return
	}
	s.control = append(s.control, p)
}

// be is the octet order of PGM and of what this package adds.
var be = binary.BigEndian
