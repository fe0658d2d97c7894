package multicast

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// endpoint is what a Socket needs of that which it reads and writes.
type endpoint interface {
	LocalAddr() net.Addr
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	Close() error
	syscall.Conn
}

// apart is a socket that the runtime's poller does not know, see [Options.Apart]. It
// is its own syscall.RawConn: one that never waits.
type apart struct {
	local net.Addr
	mu    sync.RWMutex // held for writing while it is closed
	fd    int          // −1 when closed
}

// setApart takes a connection out of the runtime's poller. The connection is closed; a
// duplicate of its descriptor goes on as the same socket.
func setApart(conn PacketConn) (*apart, error) {
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("set socket apart: %w", err)
	}
	a := &apart{local: conn.LocalAddr()}
	outer := raw.Control(func(fd uintptr) { a.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(outer, err); err != nil {
		return nil, fmt.Errorf("set socket apart: %w", err)
	}
	return a, nil
}

func (a *apart) LocalAddr() net.Addr                   { return a.local }
func (a *apart) SyscallConn() (syscall.RawConn, error) { return a, nil }

// SetReadDeadline and SetWriteDeadline refuse: nobody waits in this socket.
func (a *apart) SetReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (a *apart) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }

// Control calls f with the descriptor, which stays open meanwhile.
func (a *apart) Control(f func(fd uintptr)) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if a.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(a.fd))
	return nil
}

// Read and Write call f once; that it wants to wait shows in what it returns to its
// own caller.
func (a *apart) Read(f func(fd uintptr) bool) error {
	return a.Control(func(fd uintptr) { f(fd) })
}

func (a *apart) Write(f func(fd uintptr) bool) error { return a.Read(f) }

func (a *apart) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fd < 0 {
		return net.ErrClosed
	}
	err := unix.Close(a.fd)
	a.fd = -1
	return err
}
