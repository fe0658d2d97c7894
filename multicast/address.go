package multicast

import (
	"encoding/binary"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inet4 is the same room as a struct sockaddr_in.
func inet4(name *unix.RawSockaddrInet6) *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
}

// netOrder is a port in the byte order of the network.
func netOrder(port uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(make([]byte, 0, 2), port))
}

// putAddr writes an address in the kernel's form and returns its size in bytes.
func putAddr(name *unix.RawSockaddrInet6, to netip.AddrPort, iface *net.Interface) uint32 {
	addr := to.Addr().Unmap()
	if addr.Is4() {
		*inet4(name) = unix.RawSockaddrInet4{
			Family: unix.AF_INET,
			Port:   netOrder(to.Port()),
			Addr:   addr.As4(),
		}
		return unix.SizeofSockaddrInet4
	}
	*name = unix.RawSockaddrInet6{
		Family:   unix.AF_INET6,
		Port:     netOrder(to.Port()),
		Addr:     addr.As16(),
		Scope_id: uint32(iface.Index), // the kernel looks at it for link-local addresses only
	}
	return unix.SizeofSockaddrInet6
}

// addrOf reads an address in the kernel's form.
func addrOf(name *unix.RawSockaddrInet6, iface *net.Interface) netip.AddrPort {
	switch name.Family {
	case unix.AF_INET:
		from := inet4(name)
		return netip.AddrPortFrom(netip.AddrFrom4(from.Addr), netOrder(from.Port))
	case unix.AF_INET6:
		addr := netip.AddrFrom16(name.Addr).Unmap()
		if name.Scope_id != 0 {
			addr = addr.WithZone(iface.Name)
		}
		return netip.AddrPortFrom(addr, netOrder(name.Port))
	}
	return netip.AddrPort{}
}
