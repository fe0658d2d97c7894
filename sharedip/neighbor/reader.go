package neighbor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// snapLength is how much of a frame is read, in bytes: the longest neighbour
// advertisement that tells something fits.
const snapLength = 128

// FrameReader reads frames from all interfaces of its namespace, those that its filter
// lets pass. It taps every protocol: frames that a filter at tc ingress drops are
// still shown here, while a socket for ARP alone would not see them.
type FrameReader struct {
	file *os.File
	raw  syscall.RawConn
	buf  [snapLength]byte
}

// ReceivedFrame is one frame.
type ReceivedFrame struct {
	Frame      []byte // valid until the next one is read
	Index      int    // of the interface
	ToThisCard bool   // to this very card's address
}

// NewFrameReader reads frames from an open socket.
func NewFrameReader(file *os.File) (*FrameReader, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("set up a packet socket: %w", err)
	}
	return &FrameReader{file: file, raw: raw}, nil
}

// OpenFrameReader opens a tap that lets nothing pass.
func OpenFrameReader() (*FrameReader, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	t, err := NewFrameReader(os.NewFile(uintptr(fd), "packet"))
	if err != nil {
		return nil, err
	}
	// Protocol 0 made it deaf so far: no frame comes before the filter.
	err = errors.Join(
		attach(fd, []bpf.Instruction{bpf.RetConstant{}}),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: network(unix.ETH_P_ALL)}))
	if err != nil {
		t.file.Close()
		return nil, fmt.Errorf("set up a packet socket: %w", err)
	}
	return t, nil
}

// Close closes the socket.
func (t *FrameReader) Close() { t.file.Close() }

// SetReadDeadline makes receive return os.ErrDeadlineExceeded after at; the zero time never.
func (t *FrameReader) SetReadDeadline(at time.Time) error { return t.file.SetReadDeadline(at) }

// Source returns the hardware address that the frame came from.
func (a ReceivedFrame) Source() (mac MAC, ok bool) {
	if len(a.Frame) < etherTypeAt {
		return mac, false
	}
	return MAC(a.Frame[6:12]), true
}

// SetFilter makes program decide which frames pass from now on.
func (t *FrameReader) SetFilter(program []bpf.Instruction) error {
	var failed error
	err := t.raw.Control(func(fd uintptr) { failed = attach(int(fd), program) })
	return errors.Join(err, failed)
}

func attach(fd int, program []bpf.Instruction) error {
	assembled, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble a filter: %w", err)
	}
	code := make([]unix.SockFilter, len(assembled))
	for i, in := range assembled {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// Receive returns the next frame.
func (t *FrameReader) Receive() (ReceivedFrame, error) {
	var n int
	var from unix.Sockaddr
	var failed error
	err := t.raw.Read(func(fd uintptr) bool {
		n, from, failed = unix.Recvfrom(int(fd), t.buf[:], 0)
		return failed != unix.EAGAIN
	})
	if err := errors.Join(err, failed); err != nil {
		return ReceivedFrame{}, err
	}
	a := ReceivedFrame{Frame: t.buf[:n]}
	if link, ok := from.(*unix.SockaddrLinklayer); ok {
		a.Index, a.ToThisCard = link.Ifindex, link.Pkttype == unix.PACKET_HOST
	}
	return a, nil
}

// network is v in the byte order of the network, as sockets want it.
func network(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
