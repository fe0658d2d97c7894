package pgm

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"vipd/multicast"
)

// polledSockets are the sockets of a sender's link, out of the runtime's poller, which wakes
// for each datagram that has left. One goroutine waits for them by poll; a writer waits so
// only while the queue is full.
type polledSockets struct {
	sockets []*multicast.Socket // the first one writes
	set     *pollSet            // of the sockets
	reading sync.Mutex
	done    chan struct{}
	once    sync.Once
}

func pollSockets(sockets ...*multicast.Socket) (*polledSockets, error) {
	set, err := newPollSet(sockets)
	if err != nil {
		return nil, err
	}
	return &polledSockets{sockets: sockets, set: set, done: make(chan struct{})}, nil
}

// Read waits for packets on any of the sockets.
func (p *polledSockets) Read(batch []multicast.Datagram) (int, error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	for !isClosed(p.done) {
		if err := p.set.wait(); err != nil {
			return 0, fmt.Errorf("wait for packets: %w", err)
		}
		for i, s := range p.sockets {
			if !p.set.has(i) {
				continue
			}
			if n, err := s.Read(batch); !errors.Is(err, unix.EAGAIN) {
				return n, err
			}
		}
	}
	return 0, net.ErrClosed
}

// write writes, and waits while the queue is full.
func (p *polledSockets) write(batch []multicast.Datagram) (int, error) {
	const look = 50 // milliseconds after which it is asked whether the link is closed
	room := []unix.PollFd{{Fd: p.set.fds[0].Fd, Events: unix.POLLOUT}}
	for sent := 0; ; {
		n, err := p.sockets[0].Write(batch[sent:])
		sent += n
		if !errors.Is(err, unix.EAGAIN) {
			return sent, err
		}
		if isClosed(p.done) {
			return sent, net.ErrClosed
		}
		if _, err := unix.Poll(room, look); err != nil && !errors.Is(err, unix.EINTR) {
			return sent, fmt.Errorf("wait for room: %w", err)
		}
	}
}

// close ends every Read.
func (p *polledSockets) close() {
	p.once.Do(func() {
		close(p.done)
		p.set.ring()
		p.reading.Lock()
		defer p.reading.Unlock()
		p.set.close()
	})
}

// awayOr makes an error of sending one that passes (multicast.Transient) while the interface
// does not have the link's IPv4 address: the kernel then calls what is sent invalid.
func awayOr(s *multicast.Socket, iface string, local netip.Addr, err error) error {
	if !errors.Is(err, unix.EINVAL) || !local.Is4() {
		return err
	}
	there := false
	asked := control(s, func(fd int) error {
		r, err := unix.NewIfreq(iface)
		if err == nil {
			err = unix.IoctlIfreq(fd, unix.SIOCGIFADDR, r)
		}
		if err != nil {
			return err
		}
		a, err := r.Inet4Addr()
		there = err == nil && netip.AddrFrom4([4]byte(a)) == local
		return err
	})
	if asked == nil && there {
		return err
	}
	return fmt.Errorf("%s is not on %s: %w", local, iface, unix.EADDRNOTAVAIL)
}
