package sharedip

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

// errForeign is a netlink message that some other process sent us.
var errForeign = errors.New("netlink message is not from the kernel")

// conn is one rtnetlink socket. It is not safe for use by two goroutines.
type conn struct {
	file *os.File
	raw  syscall.RawConn
	buf  []byte
	seq  uint32
}

// dial opens a socket in the calling thread's namespace, listening to groups.
func dial(groups uint32) (*conn, error) {
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
	return &conn{file: file, raw: raw, buf: make([]byte, receiveSize)}, nil
}

func (c *conn) close() { c.file.Close() }

// send hands b, one or many messages, to the kernel, which acts on all of them
// before send returns.
func (c *conn) send(b []byte) error {
	var failed error
	err := c.raw.Write(func(fd uintptr) bool {
		failed = unix.Sendto(int(fd), b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
		return failed != unix.EAGAIN
	})
	return errors.Join(err, failed)
}

// receive returns the messages of the next datagram; they live until the next
// call. Errors: errForeign, unix.ENOBUFS when the kernel had to drop some.
func (c *conn) receive() ([]syscall.NetlinkMessage, error) {
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
		return nil, errForeign
	}
	return syscall.ParseNetlinkMessage(c.buf[:n])
}

// answers calls each for every message that answers the requests first to last,
// until last is acknowledged or its dump is done.
func (c *conn) answers(first, last uint32, each func(m syscall.NetlinkMessage) (done bool)) error {
	if err := c.file.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return err
	}
	for {
		messages, err := c.receive()
		if errors.Is(err, errForeign) {
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
func (c *conn) dump(typ uint16, body []byte, reset func(), each func(data []byte)) error {
	for range dumpTries {
		reset()
		whole, err := c.dumpOnce(typ, body, each)
		if err != nil || whole {
			return err
		}
	}
	return fmt.Errorf("table changed during each of %d dumps", dumpTries)
}

func (c *conn) dumpOnce(typ uint16, body []byte, each func(data []byte)) (whole bool, err error) {
	c.seq++
	if err := c.send(message(typ, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, c.seq, body)); err != nil {
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
func (c *conn) get(typ uint16, body []byte) (data []byte, err error) {
	c.seq++
	if err := c.send(message(typ, unix.NLM_F_REQUEST, c.seq, body)); err != nil {
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
