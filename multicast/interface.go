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
