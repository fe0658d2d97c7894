package rtnl

import (
	"encoding/binary"
	"iter"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// skipCounters is RTEXT_FILTER_SKIP_STATS of the kernel's linux/rtnetlink.h.
const skipCounters = 1 << 3

// linkRequest asks for one interface, or all with index 0, without counters.
func linkRequest(index int) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	return appendAttribute(b, unix.IFLA_EXT_MASK, binary.NativeEndian.AppendUint32(nil, skipCounters))
}

// parseLink reads an ifinfomsg and its attributes.
func parseLink(data []byte) (l Link, ok bool) {
	if len(data) < unix.SizeofIfInfomsg {
		return Link{}, false
	}
	flags := binary.NativeEndian.Uint32(data[8:])
	l.Index = int(binary.NativeEndian.Uint32(data[4:]))
	l.Ethernet = binary.NativeEndian.Uint16(data[2:]) == unix.ARPHRD_ETHER
	l.Up = flags&unix.IFF_UP != 0
	l.Carrier = l.Up && flags&unix.IFF_LOWER_UP != 0
	l.NoARP = flags&unix.IFF_NOARP != 0
	for typ, value := range attributes(data[unix.SizeofIfInfomsg:]) {
		switch typ {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(value)
		case unix.IFLA_ADDRESS:
			l.MAC = slices.Clone(net.HardwareAddr(value))
		case unix.IFLA_AF_SPEC:
			l.parse(value)
			l.Forwarding = setting(value, unix.AF_INET6, 2, ipv6Forwarding) != 0
		}
	}
	return l, l.Name != ""
}

// parseAddress reads an ifaddrmsg and its attributes.
func parseAddress(data []byte) (a Address, ok bool) {
	if len(data) < unix.SizeofIfAddrmsg {
		return Address{}, false
	}
	var local, remote netip.Addr
	a.Index, a.Scope, a.Valid = int(binary.NativeEndian.Uint32(data[4:])), data[3], Forever
	for typ, value := range attributes(data[unix.SizeofIfAddrmsg:]) {
		switch typ {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(value)
		case unix.IFA_ADDRESS:
			remote, _ = netip.AddrFromSlice(value)
		case unix.IFA_CACHEINFO:
			if len(value) >= 8 {
				a.Valid = binary.NativeEndian.Uint32(value[4:])
			}
		}
	}
	if !local.IsValid() {
		local = remote // IPv6 gives no IFA_LOCAL but on point-to-point links
	}
	a.Prefix = netip.PrefixFrom(local, int(data[1]))
	return a, a.Prefix.IsValid()
}

// attributes walks a list of attributes, each behind its length and type and
// padded to four bytes, and ends where it makes no sense.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofRtAttr {
			length := int(binary.NativeEndian.Uint16(b))
			typ := binary.NativeEndian.Uint16(b[2:]) &^ unix.NLA_F_NESTED
			if length < unix.SizeofRtAttr || length > len(b) || !yield(typ, b[unix.SizeofRtAttr:length]) {
				return
			}
			b = b[min(len(b), (length+3)&^3):]
		}
	}
}
