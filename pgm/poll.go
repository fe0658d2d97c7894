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
	fds     []unix.PollFd       // of the sockets, then of the bell; duplicates, ours to close
	reading sync.Mutex
	done    chan struct{}
	once    sync.Once
}

func pollSockets(sockets ...*multicast.Socket) (*polledSockets, error) {
	p := &polledSockets{sockets: sockets, done: make(chan struct{})}
	add := func(fd int, err error) error {
		if err == nil {
			p.fds = append(p.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
		return err
	}
	for _, s := range sockets {
		if err := control(s, func(fd int) error { return add(unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)) }); err != nil {
			p.closeFDs()
			return nil, fmt.Errorf("duplicate socket: %w", err)
		}
	}
	if err := add(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)); err != nil {
		p.closeFDs()
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	return p, nil
}

// Read waits for packets on any of the sockets.
func (p *polledSockets) Read(batch []multicast.Datagram) (int, error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	for !isClosed(p.done) {
		if _, err := unix.Poll(p.fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("wait for packets: %w", err)
		}
		for i, s := range p.sockets {
			if p.fds[i].Revents == 0 {
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
	room := []unix.PollFd{{Fd: p.fds[0].Fd, Events: unix.POLLOUT}}
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
		one := [8]byte{7: 1}
		unix.Write(int(p.fds[len(p.fds)-1].Fd), one[:]) //nolint:errcheck // any value but 0 rings
		p.reading.Lock()
		defer p.reading.Unlock()
		p.closeFDs()
	})
}

func (p *polledSockets) closeFDs() {
	for _, f := range p.fds {
		unix.Close(int(f.Fd)) //nolint:errcheck // it is a duplicate
	}
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
