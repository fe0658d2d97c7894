package multicast

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// PacketConn is what a Socket needs of a connection: *net.UDPConn and
// *net.IPConn have it.
type PacketConn interface {
	net.PacketConn
	syscall.Conn
}

// Socket reads and writes datagrams in batches. Several goroutines may use it.
type Socket struct {
	conn      endpoint
	raw       syscall.RawConn
	iface     atomic.Pointer[net.Interface]
	multicast bool

	reading sync.Mutex
	in      batch
	warm    bool // the kernel stamps by now

	writing sync.Mutex
	out     batch
	single  [1]Datagram // what Send sends
}

// Wrap makes a Socket of a packet connection that was opened elsewhere, such as
// one for raw IP. The interface is that of its link-local addresses. The
// connection belongs to the Socket from now on; after an error it is closed. Of a
// raw IPv4 socket, Read returns the IP header too.
func Wrap(conn PacketConn, iface *net.Interface) (*Socket, error) { return wrap(conn, iface) }

func wrap(conn endpoint, iface *net.Interface) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("wrap socket: %w", err)
	}
	s := &Socket{conn: conn, raw: raw}
	s.iface.Store(iface)
	s.in.init()
	s.out.init()
	return s, nil
}

// Local returns the address and port that the socket is bound to.
func (s *Socket) Local() netip.AddrPort {
	var at netip.AddrPort
	switch addr := s.conn.LocalAddr().(type) {
	case *net.UDPAddr:
		at = addr.AddrPort()
	case *net.IPAddr:
		ip, _ := netip.AddrFromSlice(addr.IP)
		at = netip.AddrPortFrom(ip.WithZone(addr.Zone), 0)
	}
	ip := at.Addr().Unmap()
	if ip.Zone() != "" {
		// Package net remembers names of interfaces across network namespaces.
		ip = ip.WithZone(s.iface.Load().Name)
	}
	return netip.AddrPortFrom(ip, at.Port())
}

// Read waits for datagrams and fills the batch with those that are there, at
// most [MaxBatch]. It returns how many. The error is os.ErrDeadlineExceeded past
// the deadline, net.ErrClosed after Close, or the kernel's. A socket that is apart
// ([Options.Apart]) doesn't wait: where nothing is there, the error is [Transient].
func (s *Socket) Read(batch []Datagram) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if len(batch) == 0 {
		return 0, nil
	}
	s.in.offer(batch)
	if err := s.raw.Read(s.in.receive); err != nil {
		return 0, fmt.Errorf("read datagrams: %w", err)
	}
	if s.in.errno != 0 {
		return 0, fmt.Errorf("read datagrams: %w", s.in.errno)
	}
	s.in.collect(batch, s.iface.Load())
	for i := range batch[:s.in.done] {
		batch[i].Multicast = s.multicast
		batch[i].StampValid = s.warm && !batch[i].Stamp.IsZero()
	}
	s.warm = true
	return s.in.done, nil
}

// Write sends the batch in order and waits while the socket's queue is full (one that
// is apart does not wait). It
// returns how many were sent; the error is about the next one, which a caller may
// skip where the error is [Transient].
func (s *Socket) Write(batch []Datagram) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	sent := 0
	for sent < len(batch) {
		n, err := s.send(batch[sent:], s.out.transmit)
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Send sends one datagram and never waits for room: a full queue is an error for
// which [Transient] is true. It may wait for a Write of the same socket.
func (s *Socket) Send(payload []byte, to netip.AddrPort) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.single[0] = Datagram{Addr: to, Data: payload}
	_, err := s.send(s.single[:], s.out.transmitOnce)
	s.single[0].Data = nil
	return err
}

// send gives the kernel as many of the batch as it takes at once.
func (s *Socket) send(batch []Datagram, call func(fd uintptr) bool) (int, error) {
	s.out.load(batch, s.iface.Load())
	err := s.raw.Write(call)
	if err == nil && s.out.errno != 0 {
		err = s.out.errno
	}
	if err != nil {
		return 0, fmt.Errorf("send to %s: %w", batch[0].Addr, err)
	}
	return s.out.done, nil
}

// SetReadDeadline ends a Read, present or future, at a time; the zero time means
// never.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// SetWriteDeadline ends a Write that waits for room.
func (s *Socket) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// SyscallConn gives access to the socket for options that this package doesn't
// know.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return s.conn.SyscallConn() }

// Close closes the socket, which leaves its group and ends every Read and Write
// with net.ErrClosed.
func (s *Socket) Close() error { return s.conn.Close() }
