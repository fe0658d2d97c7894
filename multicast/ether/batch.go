package ether

import (
	"encoding/binary"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"vipd/multicast"
)

// header is the kernel's struct mmsghdr.
type header struct {
	unix.Msghdr
	size uint32 // octets received
}

// control is the room for one frame's stamp. Its words align it.
type control [8]uint64

// batch holds what recvmmsg needs for as many frames as one call reads, made once: a
// flood is read without an object for each frame.
type batch struct {
	headers [multicast.MaxBatch]header
	vectors [multicast.MaxBatch]unix.Iovec
	names   [multicast.MaxBatch]unix.RawSockaddrLinklayer
	control [multicast.MaxBatch]control
}

// init links the parts to each other.
func (b *batch) init() {
	for i := range b.headers {
		h := &b.headers[i]
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.control[i]))
	}
}

// receive reads what is there, at most one call's worth. It never waits, so the scheduler
// need not be told of the call.
func (b *batch) receive(fd int, into []multicast.Datagram) (n int, err error) {
	count := min(len(into), len(b.headers))
	for i := range count {
		h, data := &b.headers[i], into[i].Data[:cap(into[i].Data)]
		h.Namelen = unix.SizeofSockaddrLinklayer
		h.SetControllen(int(unsafe.Sizeof(control{})))
		b.vectors[i].Base = unsafe.SliceData(data)
		b.vectors[i].SetLen(len(data))
	}
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers)), uintptr(count), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, syscall.Errno(errno)
	}
	for i := range int(got) {
		b.collect(i, &into[i])
	}
	return int(got), nil
}

// collect writes what was received to the datagram.
func (b *batch) collect(i int, d *multicast.Datagram) {
	h := &b.headers[i]
	*d = multicast.Datagram{Data: d.Data[:h.size], Truncated: h.Flags&unix.MSG_TRUNC != 0, Multicast: b.names[i].Pkttype == unix.PACKET_MULTICAST}
	octets := unsafe.Slice((*byte)(unsafe.Pointer(&b.control[i])), unsafe.Sizeof(control{}))[:h.Controllen]
	for len(octets) >= unix.CmsgLen(0) {
		message, data, rest, err := unix.ParseOneSocketControlMessage(octets)
		if err != nil {
			return
		}
		if message.Level == unix.SOL_SOCKET && message.Type == unix.SCM_TIMESTAMPNS && len(data) >= 16 {
			d.Stamp = time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:])))
		}
		octets = rest
	}
}

// source is the hardware address that sent the i-th frame.
func (b *batch) source(i int) (address [6]byte) {
	copy(address[:], b.names[i].Addr[:6])
	return address
}
