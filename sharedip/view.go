package sharedip

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// LinkState is what the kernel says of one interface.
type LinkState struct {
	Index   int
	Name    string
	MAC     net.HardwareAddr
	Up      bool // set up by the administrator
	Carrier bool // and a signal is on the cable
}

// link is a LinkState with the settings that decide how it answers.
type link struct {
	LinkState
	ethernet   bool // neighbours are asked for by ARP and NDP
	forwarding bool // net.ipv6.conf.*.forwarding: neighbours may use it as a router
	settings
}

// address is one address as the kernel lists it.
type address struct {
	index  int
	prefix netip.Prefix // with the host's own bits
	scope  uint8        // RT_SCOPE_*
	valid  uint32       // seconds left; forever = math.MaxUint32
}

const forever = math.MaxUint32

// ours reports whether the address can only have been put there by this room:
// of host length, and to live no longer than a lifetime can be.
func (a address) ours() bool {
	return a.prefix.IsSingleIP() && a.valid <= uint32(MaxLifetime/time.Second)
}

// view is the interfaces and addresses of this host at one moment.
type view struct {
	all       settings // that hold for every interface
	links     []link
	addresses []address            // but for the shared ones
	shared    []address            // put there by this room, in this process or an earlier one
	linkLocal []netip.Addr         // of the shared ones
	ways      map[netip.Prefix]int // by which interface neighbours of an own address are reached
}

func (v *view) byIndex(index int) (link, bool) {
	for _, l := range v.links {
		if l.Index == index {
			return l, true
		}
	}
	return link{}, false
}

func (v *view) exists(name string) bool {
	return slices.ContainsFunc(v.links, func(l link) bool { return l.Name == name })
}

// look reads all interfaces and addresses.
func (c *conn) look() (*view, error) {
	v := &view{}
	err := c.dump(unix.RTM_GETLINK, linkRequest(0), func() { v.links = nil }, func(data []byte) {
		if l, ok := parseLink(data); ok {
			v.links = append(v.links, l)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	err = c.dump(unix.RTM_GETADDR, make([]byte, unix.SizeofIfAddrmsg), func() { v.addresses, v.shared = nil, nil }, func(data []byte) {
		if a, ok := parseAddress(data); ok && a.ours() {
			v.shared = append(v.shared, a)
		} else if ok {
			v.addresses = append(v.addresses, a)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return v, nil
}

// link reads one interface. The carrier in it is the driver's own word, which
// can be 0.8 s ahead of the kernel's event.
func (c *conn) link(index int) (link, error) {
	data, err := c.get(unix.RTM_GETLINK, linkRequest(index))
	if err != nil {
		return link{}, err
	}
	l, ok := parseLink(data)
	if !ok {
		return link{}, unix.ENODEV
	}
	return l, nil
}

// skipCounters is RTEXT_FILTER_SKIP_STATS of the kernel's linux/rtnetlink.h.
const skipCounters = 1 << 3

// linkRequest asks for one interface, or all with index 0, without counters.
func linkRequest(index int) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	return appendAttribute(b, unix.IFLA_EXT_MASK, binary.NativeEndian.AppendUint32(nil, skipCounters))
}

// parseLink reads an ifinfomsg and its attributes.
func parseLink(data []byte) (l link, ok bool) {
	if len(data) < unix.SizeofIfInfomsg {
		return link{}, false
	}
	flags := binary.NativeEndian.Uint32(data[8:])
	l.Index = int(binary.NativeEndian.Uint32(data[4:]))
	l.ethernet = binary.NativeEndian.Uint16(data[2:]) == unix.ARPHRD_ETHER
	l.Up = flags&unix.IFF_UP != 0
	l.Carrier = l.Up && flags&unix.IFF_LOWER_UP != 0
	l.noARP = flags&unix.IFF_NOARP != 0
	for typ, value := range attributes(data[unix.SizeofIfInfomsg:]) {
		switch typ {
		case unix.IFLA_IFNAME:
			l.Name = unix.ByteSliceToString(value)
		case unix.IFLA_ADDRESS:
			l.MAC = slices.Clone(net.HardwareAddr(value))
		case unix.IFLA_AF_SPEC:
			l.read(value)
			l.forwarding = setting(value, unix.AF_INET6, 2, ipv6Forwarding) != 0
		}
	}
	return l, l.Name != ""
}

// setting finds one interface setting: IFLA_AF_SPEC holds one attribute for
// each family, that holds the list of settings, each of four bytes.
func setting(spec []byte, family, list uint16, place int) uint32 {
	for _, part := range []uint16{family, list} {
		inner := spec
		spec = nil
		for typ, value := range attributes(inner) {
			if typ == part {
				spec = value
			}
		}
	}
	if len(spec) < 4*(place+1) {
		return 0
	}
	return binary.NativeEndian.Uint32(spec[4*place:])
}

// parseAddress reads an ifaddrmsg and its attributes.
func parseAddress(data []byte) (a address, ok bool) {
	if len(data) < unix.SizeofIfAddrmsg {
		return address{}, false
	}
	var local, remote netip.Addr
	a.index, a.scope, a.valid = int(binary.NativeEndian.Uint32(data[4:])), data[3], forever
	for typ, value := range attributes(data[unix.SizeofIfAddrmsg:]) {
		switch typ {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(value)
		case unix.IFA_ADDRESS:
			remote, _ = netip.AddrFromSlice(value)
		case unix.IFA_CACHEINFO:
			if len(value) >= 8 {
				a.valid = binary.NativeEndian.Uint32(value[4:])
			}
		}
	}
	if !local.IsValid() {
		local = remote // IPv6 gives no IFA_LOCAL but on point-to-point links
	}
	a.prefix = netip.PrefixFrom(local, int(data[1]))
	return a, a.prefix.IsValid()
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
