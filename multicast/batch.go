package multicast

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// header is the kernel's struct mmsghdr.
type header struct {
	unix.Msghdr
	size uint32 // bytes received or sent
}

// batch holds what recvmmsg and sendmmsg need for MaxBatch datagrams, made once.
// golang.org/x/net offers the same calls, but makes two objects for each datagram
// that it reads.
type batch struct {
	headers [MaxBatch]header
	vectors [MaxBatch]unix.Iovec
	names   [MaxBatch]unix.RawSockaddrInet6 // holds an IPv4 address too
	control [MaxBatch]control

	count int           // datagrams offered to the kernel
	done  int           // datagrams it took or gave
	errno syscall.Errno // why it did not

	// The calls as the runtime's poller takes them: false means wait and repeat.
	// They are made once, as a method value would be made anew for each call.
	receive, transmit, transmitOnce func(fd uintptr) bool
}

// init links the parts to each other.
func (b *batch) init() {
	for i := range b.headers {
		h := &b.headers[i]
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
	}
	b.receive = func(fd uintptr) bool {
		b.call(unix.SYS_RECVMMSG, fd)
		return b.errno != unix.EAGAIN
	}
	b.transmit = func(fd uintptr) bool {
		b.call(unix.SYS_SENDMMSG, fd)
		return b.errno != unix.EAGAIN
	}
	b.transmitOnce = func(fd uintptr) bool {
		b.call(unix.SYS_SENDMMSG, fd)
		return true
	}
}

// call makes a system call on the datagrams that are offered. It never waits, so
// no signal interrupts it, and the scheduler need not be told of it: that would wake
// the runtime's watching thread for each call of an idle program. After an error, done
// says nothing.
func (b *batch) call(number, fd uintptr) {
	n, _, errno := unix.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&b.headers)),
		uintptr(b.count), unix.MSG_DONTWAIT, 0, 0)
	b.done, b.errno = int(n), errno
}

// offer gives the buffers of the datagrams to the next receive.
func (b *batch) offer(into []Datagram) {
	b.count = min(len(into), MaxBatch)
	for i := range b.count {
		h := &b.headers[i]
		h.Namelen = unix.SizeofSockaddrInet6
		b.control[i].offer(h)
		b.vector(i, into[i].Data[:cap(into[i].Data)])
	}
}

// collect writes what was received to the datagrams.
func (b *batch) collect(into []Datagram, iface *net.Interface) {
	for i := range b.done {
		h, d := &b.headers[i], &into[i]
		d.Data = d.Data[:h.size]
		d.Addr = addrOf(&b.names[i], iface)
		d.Truncated = h.Flags&unix.MSG_TRUNC != 0
		d.Stamp, d.SegmentSize = time.Time{}, 0
		b.control[i].read(h, d)
	}
}

// load gives datagrams to the next transmit.
func (b *batch) load(from []Datagram, iface *net.Interface) {
	b.count = min(len(from), MaxBatch)
	for i := range b.count {
		h, d := &b.headers[i], &from[i]
		h.Namelen = putAddr(&b.names[i], d.Addr, iface)
		b.control[i].write(h, d.SegmentSize)
		b.vector(i, d.Data)
	}
}

// vector points the i-th header at data.
func (b *batch) vector(i int, data []byte) {
	b.vectors[i].Base = unsafe.SliceData(data)
	b.vectors[i].SetLen(len(data))
}
