package multicast

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzControl: whatever control messages come with a datagram, they are read within
// their room, and a stamp or size that is cut is none.
func FuzzControl(f *testing.F) {
	stamp := make([]byte, unix.CmsgSpace(16))
	binary.NativeEndian.PutUint64(stamp, uint64(unix.CmsgLen(16)))
	binary.NativeEndian.PutUint32(stamp[8:], unix.SOL_SOCKET)
	binary.NativeEndian.PutUint32(stamp[12:], unix.SCM_TIMESTAMPNS)
	f.Add(stamp)
	short := append([]byte(nil), stamp...)
	binary.NativeEndian.PutUint64(short, uint64(unix.CmsgLen(0)))
	f.Add(short)
	size := make([]byte, unix.CmsgSpace(4))
	binary.NativeEndian.PutUint64(size, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(size[8:], unix.SOL_UDP)
	binary.NativeEndian.PutUint32(size[12:], unix.UDP_GRO)
	f.Add(size)
	f.Fuzz(func(t *testing.T, octets []byte) {
		var c control
		var h header
		n := copy(c.bytes(), octets)
		c.point(&h, n)
		var d Datagram
		c.read(&h, &d)
		if d.SegmentSize < 0 {
			t.Errorf("segments of %d octets", d.SegmentSize)
		}
	})
}
