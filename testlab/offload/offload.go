// Package offload switches what a network card does for the kernel: the
// features that ethtool -k lists. Tests and the bench use it so that packets
// on a virtual cable are as long as on a real one.
//
// It knows the ioctl, and nothing of what the features are good for.
//
//	sender --64 KiB--> kernel --64 KiB--> veth     tx-udp-segmentation on
//	sender --64 KiB--> kernel --44 x 1500--> veth  tx-udp-segmentation off
package offload

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// UDPSegmentation is the feature that lets UDP super-packets reach the card.
const UDPSegmentation = "tx-udp-segmentation"

// Commands and sizes of the ethtool ioctl.
const (
	getStrings   = 0x1b // ETHTOOL_GSTRINGS
	getSetInfo   = 0x37 // ETHTOOL_GSSET_INFO
	setFeatures  = 0x3b // ETHTOOL_SFEATURES
	featureSet   = 4    // ETH_SS_FEATURES
	stringLength = 32   // ETH_GSTRING_LEN
)

// request is struct ifreq with a pointer.
type request struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte
}

// Set switches a feature of an interface in the calling thread's network
// namespace.
func Set(iface, feature string, on bool) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("set %s of %s: %w", feature, iface, err)
	}
	defer unix.Close(fd)
	n, err := find(fd, iface, feature)
	if err == nil {
		err = set(fd, iface, n, on)
	}
	if err != nil {
		return fmt.Errorf("set %s of %s: %w", feature, iface, err)
	}
	return nil
}

// find returns the feature's number.
func find(fd int, iface, feature string) (int, error) {
	info := make([]byte, 20) // command, reserved, mask of sets, length
	binary.NativeEndian.PutUint32(info, getSetInfo)
	binary.NativeEndian.PutUint64(info[8:], 1<<featureSet)
	if err := call(fd, iface, info); err != nil {
		return 0, err
	}
	count := int(binary.NativeEndian.Uint32(info[16:]))
	names := make([]byte, 12+count*stringLength) // command, set, length, strings
	binary.NativeEndian.PutUint32(names, getStrings)
	binary.NativeEndian.PutUint32(names[4:], featureSet)
	binary.NativeEndian.PutUint32(names[8:], uint32(count))
	if err := call(fd, iface, names); err != nil {
		return 0, err
	}
	for i := range count {
		name, _, _ := bytes.Cut(names[12+i*stringLength:][:stringLength], []byte{0})
		if string(name) == feature {
			return i, nil
		}
	}
	return 0, unix.EOPNOTSUPP
}

// set switches feature n.
func set(fd int, iface string, n int, on bool) error {
	blocks := n/32 + 1
	b := make([]byte, 8+8*blocks) // command, blocks, then valid and wanted bits of each
	binary.NativeEndian.PutUint32(b, setFeatures)
	binary.NativeEndian.PutUint32(b[4:], uint32(blocks))
	at := b[8+8*(n/32):]
	binary.NativeEndian.PutUint32(at, 1<<(n%32))
	if on {
		binary.NativeEndian.PutUint32(at[4:], 1<<(n%32))
	}
	return call(fd, iface, b)
}

// call makes one ioctl whose argument is b.
func call(fd int, iface string, b []byte) error {
	var r request
	copy(r.name[:unix.IFNAMSIZ-1], iface)
	r.data = unsafe.Pointer(&b[0])
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
	runtime.KeepAlive(b)
	if errno != 0 {
		return errno
	}
	return nil
}
