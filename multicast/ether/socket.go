package ether

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"vipd/multicast"
)

// Options of a socket.
type Options struct {
	Interface     int    // its index
	EtherType     uint16 // of the frames sent and received
	Group         [6]byte
	Filter        []bpf.RawInstruction // of what is received; it sees the payload, from offset 0
	ReceiveBuffer int                  // octets, 0 for the kernel's default
}

// Socket is a packet socket (packet(7), SOCK_DGRAM). It never waits. Several goroutines
// may use it.
type Socket struct {
	options Options
	in      batch
	warm    bool // the kernel stamps by now

	mu sync.RWMutex // held for writing while the socket is closed
	fd int          // -1 when closed
}

// Open opens a socket and joins its group. It needs CAP_NET_RAW.
func Open(o Options) (s *Socket, err error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	s = &Socket{options: o, fd: fd}
	s.in.init()
	if err := s.prepare(); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("prepare a packet socket: %w", err)
	}
	return s, nil
}

// prepare sets the filter before the socket is bound: until then it receives nothing.
func (s *Socket) prepare() error {
	if err := s.SetFilter(s.options.Filter); err != nil {
		return err
	}
	if s.options.ReceiveBuffer > 0 {
		if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, s.options.ReceiveBuffer) != nil {
			_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, s.options.ReceiveBuffer) // as far as the kernel allows
		}
	}
	err := errors.Join(
		os.NewSyscallError("SO_TIMESTAMPNS", unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)),
		os.NewSyscallError("bind", unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: s.options.Interface, Protocol: bigEndian(s.options.EtherType)})),
	)
	if err != nil {
		return err
	}
	join := unix.PacketMreq{Ifindex: int32(s.options.Interface), Type: unix.PACKET_MR_MULTICAST, Alen: 6}
	copy(join.Address[:], s.options.Group[:])
	return os.NewSyscallError("PACKET_ADD_MEMBERSHIP", unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &join))
}

// bigEndian returns the number as the kernel wants it in network order.
func bigEndian(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// SetFilter replaces the filter. No program lets everything through.
func (s *Socket) SetFilter(program []bpf.RawInstruction) (err error) {
	if len(program) == 0 {
		return nil
	}
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	outer := s.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
	return errors.Join(outer, os.NewSyscallError("SO_ATTACH_FILTER", err))
}

// Control calls f with the descriptor, which stays open meanwhile. The error is
// net.ErrClosed after Close.
func (s *Socket) Control(f func(fd uintptr)) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	f(uintptr(s.fd))
	return nil
}

// Interface returns the index of the socket's interface.
func (s *Socket) Interface() int { return s.options.Interface }

// Gone reports whether the interface has gone, or the index is another's.
func (s *Socket) Gone() bool {
	address, err := s.bound()
	return err != nil || address.Ifindex != s.options.Interface
}

func (s *Socket) bound() (address *unix.SockaddrLinklayer, err error) {
	outer := s.Control(func(fd uintptr) {
		var any unix.Sockaddr
		if any, err = unix.Getsockname(int(fd)); err == nil {
			address, _ = any.(*unix.SockaddrLinklayer)
		}
	})
	if err = errors.Join(outer, err); err == nil && address == nil {
		err = syscall.EINVAL
	}
	return address, err
}

// Read fills the batch with the datagrams that are there, and returns how many. The
// address of a datagram is not set: see Source. It does not wait: where no datagram is
// there, the error is [multicast.Transient]. Only one goroutine reads at a time.
func (s *Socket) Read(batch []multicast.Datagram) (n int, err error) {
	outer := s.Control(func(fd uintptr) { n, err = s.in.receive(int(fd), batch) })
	for i := range batch[:n] {
		batch[i].StampValid = s.warm && !batch[i].Stamp.IsZero()
	}
	s.warm = true
	if err == nil {
		return n, outer
	}
	return 0, errors.Join(outer, os.NewSyscallError("recvmmsg", err))
}

// Source returns the hardware address that sent the datagram with that number of the
// last Read.
func (s *Socket) Source(i int) [6]byte { return s.in.source(i) }

// Send sends one datagram to a hardware address and never waits for room.
func (s *Socket) Send(payload []byte, to [6]byte) (err error) {
	address := &unix.SockaddrLinklayer{Ifindex: s.options.Interface, Protocol: bigEndian(s.options.EtherType), Halen: 6}
	copy(address.Addr[:], to[:])
	outer := s.Control(func(fd uintptr) { err = unix.Sendto(int(fd), payload, unix.MSG_DONTWAIT, address) })
	return errors.Join(outer, os.NewSyscallError("sendto", err))
}

// SendGroup sends one datagram to the group.
func (s *Socket) SendGroup(payload []byte) error { return s.Send(payload, s.options.Group) }

// Close closes the socket; what is called later fails with net.ErrClosed.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	err := unix.Close(s.fd)
	s.fd = -1
	return err
}

// SyscallConn gives access to the socket, as a connection that never waits.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return raw{s}, nil }

type raw struct{ s *Socket }

func (r raw) Control(f func(fd uintptr)) error    { return r.s.Control(f) }
func (r raw) Read(f func(fd uintptr) bool) error  { return r.s.Control(func(fd uintptr) { f(fd) }) }
func (r raw) Write(f func(fd uintptr) bool) error { return r.Read(f) }
