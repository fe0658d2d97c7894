package rtnl

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// RouterQuery is an interface and a family.
type RouterQuery struct {
	Index int
	IPv6  bool
}

// Two addresses in what is routed on the Internet. Nothing is sent there.
var (
	far4 = netip.MustParseAddr("1.0.0.1")
	far6 = netip.MustParseAddr("2600::1")
)

// Gateway asks the kernel which router it would use on an interface towards the
// rest of the world: one request, however large its table is. It is zero if there
// is none of that family.
func (c *Conn) Gateway(k RouterQuery) (netip.Addr, error) {
	far, family := far4, byte(unix.AF_INET)
	if k.IPv6 {
		far, family = far6, unix.AF_INET6
	}
	b := make([]byte, unix.SizeofRtMsg)
	b[0], b[1] = family, byte(far.BitLen())
	b = appendAttribute(b, unix.RTA_DST, far.AsSlice())
	b = appendAttribute(b, unix.RTA_OIF, binary.NativeEndian.AppendUint32(nil, uint32(k.Index)))
	data, err := c.get(unix.RTM_GETROUTE, b)
	if err != nil || len(data) < unix.SizeofRtMsg {
		return netip.Addr{}, err
	}
	var gateway netip.Addr
	for typ, value := range attributes(data[unix.SizeofRtMsg:]) {
		if typ == unix.RTA_GATEWAY {
			gateway, _ = netip.AddrFromSlice(value)
		}
	}
	return gateway, nil
}

// OwnNetwork is the host's own address on the interface whose network contains addr.
func (h *Host) OwnNetwork(index int, addr netip.Addr) (own netip.Prefix, ok bool) {
	i := slices.IndexFunc(h.Addresses, func(a Address) bool {
		return a.Index == index && a.Prefix.Addr() != addr && !a.Prefix.IsSingleIP() && a.Prefix.Contains(addr)
	})
	if i < 0 {
		return netip.Prefix{}, false
	}
	return h.Addresses[i].Prefix, true
}

// OutgoingLink returns the interface through which the kernel reaches a neighbour of own from it.
// It is asked once in the life of a Host.
func (h *Host) OutgoingLink(kernel *Conn, own netip.Prefix) (index int, err error) {
	if index, known := h.Outgoing[own]; known {
		return index, nil
	}
	neighbour := own.Masked().Addr().Next()
	if neighbour == own.Addr() {
		neighbour = neighbour.Next()
	}
	b := make([]byte, unix.SizeofRtMsg)
	b[0], b[1], b[2] = unix.AF_INET, 32, 32
	b = appendAttribute(b, unix.RTA_DST, neighbour.AsSlice())
	b = appendAttribute(b, unix.RTA_SRC, own.Addr().AsSlice())
	data, err := kernel.get(unix.RTM_GETROUTE, b)
	if err != nil || len(data) < unix.SizeofRtMsg {
		return 0, errors.Join(err, errors.New("no route"))
	}
	for typ, value := range attributes(data[unix.SizeofRtMsg:]) {
		if typ == unix.RTA_OIF && len(value) >= 4 {
			index = int(binary.NativeEndian.Uint32(value))
		}
	}
	if h.Outgoing == nil {
		h.Outgoing = make(map[netip.Prefix]int)
	}
	h.Outgoing[own] = index
	return index, nil
}
