package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// receiveSize holds the largest datagram the kernel makes of a dump, in bytes.
	receiveSize = 64 << 10
	// answerTime is the longest wait for the kernel's answer to one request.
	// It answers within the system call, so only a lost answer waits so long.
	answerTime = time.Second
	// dumpTries bounds how often a dump is begun again because the table
	// changed under it.
	dumpTries = 5
)

// ErrForeign is a netlink message that some other process sent us.
var ErrForeign = errors.New("netlink message is not from the kernel")

// Conn is one rtnetlink socket. It is not safe for use by two goroutines.
type Conn struct {
	file *os.File
	raw  syscall.RawConn
	buf  []byte
	seq  uint32
}

// Dial opens a socket in the calling thread's namespace, listening to groups.
func Dial(groups uint32) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	file := os.NewFile(uintptr(fd), "rtnetlink")
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		file.Close()
		return nil, fmt.Errorf("bind a netlink socket: %w", err)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("use a netlink socket: %w", err)
	}
	return &Conn{file: file, raw: raw, buf: make([]byte, receiveSize)}, nil
}

// Close closes the socket.
func (c *Conn) Close() { c.file.Close() }

// Control calls f with the descriptor of the socket.
func (c *Conn) Control(f func(fd uintptr)) error { return c.raw.Control(f) }

// SetReadDeadline makes receive return os.ErrDeadlineExceeded after at; the zero time never.
func (c *Conn) SetReadDeadline(at time.Time) error { return c.file.SetReadDeadline(at) }

// Send hands b, one or many messages, to the kernel, which acts on all of them
// before send returns.
func (c *Conn) Send(b []byte) error {
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return failed != unix.EAGAIN
	})
	return errors.Join(err, failed)
}

// Receive returns the messages of the next datagram; they live until the next
// call. Errors: errForeign, unix.ENOBUFS when the kernel had to drop some.
func (c *Conn) Receive() ([]syscall.NetlinkMessage, error) {
	var n int
	var from unix.Sockaddr
	var failed error
	err := c.raw.Read(func(fd uintptr) bool {
		n, from, failed = unix.Recvfrom(int(fd), c.buf, 0)
		return failed != unix.EAGAIN
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	if kernel, ok := from.(*unix.SockaddrNetlink); !ok || kernel.Pid != 0 {
		return nil, ErrForeign
	}
	return syscall.ParseNetlinkMessage(c.buf[:n])
}

// answers calls each for every message that answers the requests first to last,
// until last is acknowledged or its dump is done.
func (c *Conn) answers(first, last uint32, each func(m syscall.NetlinkMessage) (done bool)) error {
	if err := c.file.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	for {
		messages, err := c.Receive()
		if errors.Is(err, ErrForeign) {
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range messages {
			if m.Header.Seq-first > last-first {
				continue // the answer to a request given up earlier
			}
			if each(m) {
				return nil
			}
		}
	}
}

// dump asks for a whole table and calls each with the payload of every entry.
// It starts over, calling reset, when the table changed on the way.
func (c *Conn) dump(typ uint16, body []byte, reset func(), each func(data []byte)) error {
	for range dumpTries {
		reset()
		whole, err := c.dumpOnce(typ, body, each)
		if err != nil || whole {
			return err
		}
	}
	return fmt.Errorf("table changed during each of %d dumps", dumpTries)
}

func (c *Conn) dumpOnce(typ uint16, body []byte, each func(data []byte)) (whole bool, err error) {
	c.seq++
	if err := c.Send(message(typ, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, c.seq, body)); err != nil {
		return false, err
	}
	whole = true
	var refused error
	err = c.answers(c.seq, c.seq, func(m syscall.NetlinkMessage) bool {
		whole = whole && m.Header.Flags&unix.NLM_F_DUMP_INTR == 0
		switch m.Header.Type {
		case unix.NLMSG_DONE:
			return true
		case unix.NLMSG_ERROR:
			refused = answerError(m)
			return true
		}
		each(m.Data)
		return false
	})
	return whole, errors.Join(err, refused)
}

// get asks for one entry and returns its payload.
func (c *Conn) get(typ uint16, body []byte) (data []byte, err error) {
	c.seq++
	if err := c.Send(message(typ, unix.NLM_F_REQUEST, c.seq, body)); err != nil {
		return nil, err
	}
	var refused error
	err = c.answers(c.seq, c.seq, func(m syscall.NetlinkMessage) bool {
		if m.Header.Type == unix.NLMSG_ERROR {
			refused = answerError(m)
		}
		data = m.Data
		return true
	})
	return data, errors.Join(err, refused)
}

// message puts the netlink header before body.
func message(typ, flags uint16, seq uint32, body []byte) []byte {
	b := make([]byte, 0, unix.NLMSG_HDRLEN+len(body))
	b = appendHeader(b, unix.NLMSG_HDRLEN+len(body), typ, flags, seq)
	return append(b, body...)
}

func appendHeader(b []byte, length int, typ, flags uint16, seq uint32) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(length))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	return binary.NativeEndian.AppendUint32(b, 0) // the kernel fills in our port
}

// answerError is the errno of an NLMSG_ERROR message; nil for an acknowledgement.
func answerError(m syscall.NetlinkMessage) error {
	if len(m.Data) < 4 {
		return errors.New("short answer from the kernel")
	}
	if errno := -int32(binary.NativeEndian.Uint32(m.Data)); errno != 0 {
		return unix.Errno(errno)
	}
	return nil
}
