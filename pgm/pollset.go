package pgm

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// pollSet waits for several sockets and a bell by poll(2), on the caller's own thread:
// the runtime's poller would wake another thread first, and for each datagram sent.
//
//	sockets, duplicated ─┐
//	bell: an eventfd    ─┴─► wait
//
// One goroutine waits at a time; any may ring.
type pollSet struct {
	fds []unix.PollFd // of the sockets, then of the bell; ours to close
}

// descriptor is a socket that lends its file descriptor.
type descriptor interface {
	SyscallConn() (syscall.RawConn, error)
}

func newPollSet[S descriptor](sockets []S) (*pollSet, error) {
	p := &pollSet{}
	for _, s := range sockets {
		err := control(s, func(fd int) error { return p.add(unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)) })
		if err != nil {
			p.close()
			return nil, fmt.Errorf("duplicate socket: %w", err)
		}
	}
	if err := p.add(unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)); err != nil {
		p.close()
		return nil, fmt.Errorf("make eventfd: %w", err)
	}
	return p, nil
}

func (p *pollSet) add(fd int, err error) error {
	if err == nil {
		p.fds = append(p.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	return err
}

// wait returns when a socket has something or the bell rings. An interrupted wait finds
// every socket without anything.
func (p *pollSet) wait() error {
	_, err := unix.Poll(p.fds, -1)
	if err == nil {
		return nil
	}
	for i := range p.fds {
		p.fds[i].Revents = 0
	}
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// has reports whether the last wait found something for the socket with that number.
func (p *pollSet) has(i int) bool { return p.fds[i].Revents != 0 }

// drop leaves a socket out of every later wait.
func (p *pollSet) drop(i int) {
	unix.Close(int(p.fds[i].Fd))
	p.fds[i].Fd = -1 // poll skips it
}

func (p *pollSet) bell() int { return int(p.fds[len(p.fds)-1].Fd) }

// ring ends this wait or the next one, until silence.
func (p *pollSet) ring() {
	one := [8]byte{7: 1}
	unix.Write(p.bell(), one[:]) //nolint:errcheck // any value but 0 rings
}

// silence takes a ring back.
func (p *pollSet) silence() {
	var count [8]byte
	unix.Read(p.bell(), count[:]) //nolint:errcheck // it was written
}

func (p *pollSet) close() {
	for _, f := range p.fds {
		unix.Close(int(f.Fd)) //nolint:errcheck // -1 is closed already
	}
}
