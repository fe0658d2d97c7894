package multicast

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// interfaceOf finds the interface that carries a local address. That none does is
// no lasting state: the error is Transient.
func interfaceOf(local netip.Addr) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	for i := range all {
		if zone := local.Zone(); zone != "" && zone != all[i].Name && zone != fmt.Sprint(all[i].Index) {
			continue
		}
		if carries(&all[i], local.WithZone("")) {
			return &all[i], nil
		}
	}
	return nil, fmt.Errorf("no interface has the address %s: %w", local, unix.EADDRNOTAVAIL)
}

// Gone reports whether the interface of the path is not there any more, or is
// another one of the same name: the path has to be opened anew.
func (c *Conn) Gone() bool {
	gone := true
	err := c.unicast.raw.Control(func(fd uintptr) {
		ask, err := unix.NewIfreq(c.iface.Name)
		if err == nil {
			err = unix.IoctlIfreq(int(fd), unix.SIOCGIFINDEX, ask)
		}
		gone = err != nil || ask.Uint32() != uint32(c.iface.Index)
	})
	return err != nil || gone
}

// carries reports whether an interface has the address.
func carries(iface *net.Interface, local netip.Addr) bool {
	addrs, err := iface.Addrs()
	if err != nil {
		return false // it has gone since it was listed
	}
	for _, addr := range addrs {
		prefix, ok := addr.(*net.IPNet)
		if !ok {
			continue
		}
		if own, ok := netip.AddrFromSlice(prefix.IP); ok && own.Unmap() == local {
			return true
		}
	}
	return false
}
