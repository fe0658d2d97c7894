package multicast

import (
	"encoding/binary"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize has room for the control messages that a datagram may bear: a
// stamp of two words, and a segment size. In bytes, with headers and padding of
// a 64-bit kernel.
const controlSize = 64

// control is the room for one datagram's control messages. Its words align it.
type control [controlSize / 8]uint64

// bytes is the room as bytes.
func (c *control) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(c)), controlSize)
}

// point makes size bytes of the room the header's.
func (c *control) point(h *header, size int) {
	h.Control = nil
	if size > 0 {
		h.Control = (*byte)(unsafe.Pointer(c))
	}
	h.SetControllen(size)
}

// offer gives the whole room to a receive.
func (c *control) offer(h *header) { c.point(h, controlSize) }

// write asks the kernel to cut what is sent into segments; 0 asks for nothing.
func (c *control) write(h *header, segment int) {
	if segment == 0 {
		c.point(h, 0)
		return
	}
	message := (*unix.Cmsghdr)(unsafe.Pointer(c))
	message.Level, message.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	message.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(c.bytes()[unix.CmsgLen(0):], uint16(segment))
	c.point(h, unix.CmsgSpace(2))
}

// read takes over what the kernel says of a received datagram.
func (c *control) read(h *header, d *Datagram) {
	rest := c.bytes()[:h.Controllen]
	for len(rest) >= unix.CmsgLen(0) {
		message, data, next, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return
		}
		switch {
		case message.Level == unix.SOL_SOCKET && message.Type == unix.SCM_TIMESTAMPNS && len(data) >= int(unsafe.Sizeof(unix.Timespec{})):
			d.Stamp = time.Unix((*unix.Timespec)(unsafe.Pointer(&data[0])).Unix())
		case message.Level == unix.SOL_UDP && message.Type == unix.UDP_GRO && len(data) >= 4:
			d.SegmentSize = int(binary.NativeEndian.Uint32(data))
		}
		rest = next
	}
}
