package daemon

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/multicast"
	"vipd/multicast/ether"
	"vipd/seal"
	"vipd/vipd/node"
)

// source is where the loop's events come from, one at a time.
type source interface {
	// next returns what happened next: node.Tick when the deadline comes first, nil
	// when it was stopped.
	Next(deadline clock.Instant) any
	// ring says that the channel of events has another one.
	Ring()
	Stop()
}

// inlet is the loop's source on a real host. The loop reads the sockets itself, so that
// a heartbeat is heard, decided and answered by one thread, without a hand-over to
// another. One descriptor stands for all that can wake it:
//
//	sockets of the paths ─┐
//	timer: the deadline  ─┼─► epoll ─► the runtime's poller ─► next
//	bell: a told event   ─┘
//
// Timers of the runtime would wake it twice each, for they count in milliseconds.
type inlet struct {
	boot.Clocks
	events <-chan any
	inbox  *inbox
	came   func(index int) // told that something came over the interface
	poll   *os.File        // the epoll
	raw    syscall.RawConn
	look   func(fd uintptr) bool // i.glance, made once
	timer  int
	bell   int
	armed  clock.Instant // what the timer is set to
	asleep atomic.Bool   // the bell is needed
	ended  atomic.Bool
	found  [16]unix.EpollEvent
	count  int // of found
	batch  []multicast.Datagram
	heard  []heartbeat.Received // and not yet taken, from the place taken
	taken  int

	paused   []int32       // sockets that brought too much that was refused
	resumeAt clock.Instant // when they wake the loop again
	pauseFor time.Duration

	mu      sync.Mutex
	sockets map[int32]*listener // by the number that epoll knows them by
	last    int32
	closed  bool
}

// listener is a socket of a path.
type listener struct {
	path   int
	index  int // of the interface
	socket reader
	lan    *lanPath  // if the socket is of one
	link   string    // then the name of the interface
	spare  allowance // of what is refused
}

// reader is a socket that gives what is there and never waits.
type reader interface {
	Read(batch []multicast.Datagram) (int, error)
	SyscallConn() (syscall.RawConn, error)
}

// What epoll says of the inlet's own descriptors; sockets have numbers from 1.
const (
	timerTag int32 = -1
	bellTag  int32 = -2
)

func newInlet(k boot.Clocks, events <-chan any, in *inbox, came func(index int)) (i *inlet, err error) {
	i = &inlet{Clocks: k, events: events, inbox: in, came: came, timer: -1, bell: -1, sockets: map[int32]*listener{}, resumeAt: clock.Never, pauseFor: longestPause,
		batch: multicast.NewBatch(multicast.MaxBatch, heartbeat.MaxSize+seal.MaxOverhead)}
	i.look = i.glance
	defer func() {
		if err != nil {
			i.close()
			err = fmt.Errorf("make what the loop waits for: %w", err)
		}
	}()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(epoll, true); err != nil { // or the runtime's poller would not take it
		unix.Close(epoll)
		return nil, err
	}
	i.poll = os.NewFile(uintptr(epoll), "epoll")
	if i.raw, err = i.poll.SyscallConn(); err != nil {
		return nil, err
	}
	if i.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return nil, err
	}
	if i.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	return i, errors.Join(i.watch(i.timer, timerTag), i.watch(i.bell, bellTag))
}

// watch lets the descriptor wake the loop.
func (i *inlet) watch(fd int, tag int32) (err error) {
	outer := i.raw.Control(func(epoll uintptr) {
		err = unix.EpollCtl(int(epoll), unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: tag})
	})
	return errors.Join(outer, err)
}

// hear lets the sockets of a path wake the loop, until they are closed.
func (i *inlet) hear(path int, conn *multicast.Conn) error {
	for _, s := range conn.Sockets() {
		if err := i.listenTo(&listener{path: path, index: conn.Interface().Index, socket: s}); err != nil {
			return fmt.Errorf("wait for %s: %w", s.Local(), err)
		}
	}
	return nil
}

// hearLAN does the same for the socket of a path over the clients' network.
func (i *inlet) hearLAN(p *lanPath, conn *ether.Socket) error {
	if err := i.listenTo(&listener{path: p.number, index: conn.Interface(), socket: conn, lan: p, link: p.name}); err != nil {
		return fmt.Errorf("wait for frames on %s: %w", p.name, err)
	}
	return nil
}

func (i *inlet) listenTo(l *listener) error {
	raw, err := l.socket.SyscallConn()
	if err != nil {
		return err
	}
	tag := i.enter(l)
	outer := raw.Control(func(fd uintptr) { err = i.watch(int(fd), tag) })
	return errors.Join(outer, err)
}

func (i *inlet) enter(m *listener) int32 {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.last++
	i.sockets[i.last] = m
	return i.last
}

// forget lets go of the sockets of a path, which are closed.
func (i *inlet) forget(path int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for tag, m := range i.sockets {
		if m.path == path {
			delete(i.sockets, tag)
		}
	}
}

// Next is the loop's only place to wait. Messages come before what others tell, and
// no more of them than were read at once. What waits in the sockets comes before a
// deadline that has passed: a loop that was late must not miss who has spoken meanwhile.
func (i *inlet) Next(deadline clock.Instant) any {
	for !i.ended.Load() {
		if i.taken < len(i.heard) {
			i.taken++
			return i.heard[i.taken-1]
		}
		select {
		case ev := <-i.events:
			return ev
		default:
		}
		now := i.Now()
		due := deadline <= now
		i.resume(now)
		i.arm(min(deadline, i.resumeAt))
		if err := i.raw.Read(i.look); err != nil {
			return nil
		}
		if i.read(); due && len(i.heard) == 0 {
			return node.Tick{}
		}
	}
	return nil
}

// arm sets the timer, which also takes back that it has rung.
func (i *inlet) arm(at clock.Instant) {
	if at == i.armed {
		return
	}
	i.armed = at
	boot.SetTimer(i.timer, at)
}

// glance asks what there is and, if nothing, lets the runtime's poller wait. Whoever
// tells an event after that finds asleep set; one told before is in the channel.
func (i *inlet) glance(epoll uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&i.found)), uintptr(len(i.found)), 0, 0, 0)
	if i.count = int(n); errno != 0 {
		i.count = 0
	}
	if i.count == 0 {
		i.asleep.Store(true)
		if len(i.events) == 0 && !i.ended.Load() {
			return false
		}
	}
	i.asleep.Store(false)
	return true
}

// read reads what was found to be there: of each socket what it gives at once.
func (i *inlet) read() {
	i.heard, i.taken = i.heard[:0], 0
	for _, f := range i.found[:i.count] {
		switch f.Fd {
		case timerTag: // set anew, or a Tick, before the next wait
		case bellTag:
			var count [8]byte
			unix.RawSyscall(unix.SYS_READ, uintptr(i.bell), uintptr(unsafe.Pointer(&count)), uintptr(len(count)))
		default:
			i.listen(f.Fd)
		}
	}
}

// listen opens every datagram that a socket has. What can't be read now is told by
// epoll again, or the path closes the socket.
func (i *inlet) listen(tag int32) {
	i.mu.Lock()
	m, ok := i.sockets[tag]
	i.mu.Unlock()
	if !ok {
		return
	}
	n, err := m.socket.Read(i.batch)
	if err != nil {
		return
	}
	i.came(m.index)
	before := i.inbox.refusals
	for k := range i.batch[:n] {
		from := sender{addr: i.batch[k].Addr}
		if conn, ok := m.socket.(*ether.Socket); ok {
			from = sender{mac: conn.Source(k), link: m.link}
		}
		if r, ok := i.inbox.take(m.path, &i.batch[k], from); ok {
			i.heard = append(i.heard, r)
			if m.lan != nil {
				m.lan.learn(r.From, from.mac)
			}
		}
	}
	if refused := i.inbox.refusals - before; refused > 0 && n < len(i.batch) {
		if now := i.Now(); !m.spare.spend(refused, now) {
			i.pause(tag, m, now)
		}
	}
}

// Ring wakes the loop if it sleeps.
func (i *inlet) Ring() {
	if !i.asleep.CompareAndSwap(true, false) {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return
	}
	one := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(i.bell), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}

// Stop ends the wait.
func (i *inlet) Stop() {
	i.ended.Store(true)
	i.Ring()
}

// close gives the descriptors back, once nobody waits any more.
func (i *inlet) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return
	}
	i.closed = true
	if i.poll != nil {
		i.poll.Close()
	}
	for _, fd := range []int{i.timer, i.bell} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
