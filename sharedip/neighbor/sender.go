package neighbor

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Sender sends frames on any interface of its namespace. One socket serves all,
// by interface number: it outlives an interface that is made anew.
type Sender struct{ fd int }

// OpenSender opens the packet socket. Protocol 0 makes it deaf: it only sends.
func OpenSender() (*Sender, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	return &Sender{fd: fd}, nil
}

// Close closes the socket.
func (w *Sender) Close() {
	unix.Close(w.fd)
	w.fd = -1 // the number may soon be another file's
}

// Send gives the frame to the interface, by way of tc egress; a full queue is
// an error and never a wait.
func (w *Sender) Send(index int, f Frame) error {
	to := &unix.SockaddrLinklayer{
		Ifindex:  index,
		Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, f.EtherType)),
		Halen:    uint8(len(f.To)),
	}
	copy(to.Addr[:], f.To)
	return unix.Sendto(w.fd, f.Payload, unix.MSG_DONTWAIT, to)
}
