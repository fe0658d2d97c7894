package multicast

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// setFilter attaches the program to a socket, or takes away what is attached.
func setFilter(fd int, program []bpf.RawInstruction) error {
	if len(program) == 0 {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err == unix.ENOENT { // there was none
			err = nil
		}
		return os.NewSyscallError("SO_DETACH_FILTER", err)
	}
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	return os.NewSyscallError("SO_ATTACH_FILTER", err)
}

// SetFilter replaces the socket's filter, see [Options.Filter], in one step: each
// datagram meets the old one or the new one. No program lets everything through.
func (s *Socket) SetFilter(program []bpf.RawInstruction) (err error) {
	outer := s.raw.Control(func(fd uintptr) { err = setFilter(int(fd), program) })
	if outer != nil {
		err = outer
	}
	if err != nil {
		return fmt.Errorf("filter what %s receives: %w", s.Local(), err)
	}
	return nil
}

// SetFilter replaces the filter of the path's sockets, but not of those that Join
// returned.
func (c *Conn) SetFilter(program []bpf.RawInstruction) (err error) {
	for _, s := range c.Sockets() {
		err = errors.Join(err, s.SetFilter(program))
	}
	return err
}

// Dropped returns how many datagrams the kernel has dropped at the socket since it
// was opened: those that its filter refused, and those for which its queue had no
// room. The count wraps at 2^32.
func (s *Socket) Dropped() (uint32, error) {
	const drops = 8 // SK_MEMINFO_DROPS
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	var errno error
	err := s.raw.Control(func(fd uintptr) {
		_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if e != 0 {
			errno = os.NewSyscallError("SO_MEMINFO", e)
		}
	})
	if err == nil {
		err = errno
	}
	if err != nil {
		return 0, fmt.Errorf("count what %s dropped: %w", s.Local(), err)
	}
	return info[drops], nil
}
