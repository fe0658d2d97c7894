package pgm

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"vipd/multicast"
)

// BusOptions say how bad a Bus is. The zero value loses nothing.
type BusOptions struct {
	Seed      uint64
	Loss      float64       // of each packet, for each who should hear it: 0 to 1
	Duplicate float64       // as often a packet comes twice
	Delay     time.Duration // before a packet arrives
	Jitter    time.Duration // at most this is added, at random: reorders
	Queue     int           // packets that may wait for one reader, default 4096
	MaxPacket int           // octets, default 1472
}

// Bus is a network in memory, for tests of programs that use this package.
// Its faults come from a seed.
type Bus struct {
	mu    sync.Mutex
	o     BusOptions
	r     *rand.Rand
	links []*busLink
}

// NewBus makes a network nobody is on.
func NewBus(o BusOptions) *Bus {
	o.Queue, o.MaxPacket = orInt(o.Queue, 4096), orInt(o.MaxPacket, 1472)
	return &Bus{o: o, r: rand.New(rand.NewPCG(o.Seed, 3208))}
}

// SetLoss changes how many packets get lost from now on.
func (b *Bus) SetLoss(loss float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.o.Loss = loss
}

// Link joins a group on the bus under an address. Several may share one.
func (b *Bus) Link(local, group netip.Addr) Link {
	l := &busLink{bus: b, local: local, group: group, queue: make(chan multicast.Datagram, b.o.Queue), done: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links = append(b.links, l)
	return l
}

// busLink is one place on a Bus.
type busLink struct {
	bus          *Bus
	local, group netip.Addr
	queue        chan multicast.Datagram
	done         chan struct{}
	once         sync.Once
}

// Write hands packets to everybody they are for, except the writer itself.
func (l *busLink) Write(batch []multicast.Datagram) (int, error) {
	if isClosed(l.done) {
		return 0, net.ErrClosed
	}
	b := l.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range batch {
		group := !d.Addr.Addr().IsValid()
		for _, to := range b.links {
			if to == l || group && to.group != l.group || !group && to.local != d.Addr.Addr() {
				continue
			}
			b.deliver(to, multicast.Datagram{Addr: netip.AddrPortFrom(l.local, 0), Data: append([]byte(nil), d.Data...), Multicast: group})
		}
	}
	return len(batch), nil
}

// deliver lets chance decide what arrives; it needs mu.
func (b *Bus) deliver(to *busLink, d multicast.Datagram) {
	copies := 1
	if b.r.Float64() < b.o.Loss {
		copies = 0
	} else if b.r.Float64() < b.o.Duplicate {
		copies = 2
	}
	for range copies {
		delay := b.o.Delay
		if b.o.Jitter > 0 {
			delay += time.Duration(b.r.Int64N(int64(b.o.Jitter)))
		}
		if delay == 0 {
			to.arrive(d)
		} else {
			time.AfterFunc(delay, func() { to.arrive(d) })
		}
	}
}

// arrive queues a packet; a full queue loses it.
func (l *busLink) arrive(d multicast.Datagram) {
	select {
	case l.queue <- d:
	default:
	}
}

func (l *busLink) Read(batch []multicast.Datagram) (int, error) {
	select {
	case d := <-l.queue:
		batch[0] = d
	case <-l.done:
		return 0, net.ErrClosed
	}
	n := 1
	for ; n < len(batch); n++ {
		select {
		case d := <-l.queue:
			batch[n] = d
		default:
			return n, nil
		}
	}
	return n, nil
}

func (l *busLink) Inputs() []Input   { return []Input{l} }
func (l *busLink) Local() netip.Addr { return l.local }
func (l *busLink) Group() netip.Addr { return l.group }
func (l *busLink) MaxPacket() int    { return l.bus.o.MaxPacket }
func (l *busLink) Segments() bool    { return false }

func (l *busLink) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.bus.mu.Lock()
		defer l.bus.mu.Unlock()
		for i, other := range l.bus.links {
			if other == l {
				l.bus.links = append(l.bus.links[:i], l.bus.links[i+1:]...)
				break
			}
		}
	})
	return nil
}
