package sharedip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// settings are what decides whether the kernel takes an address on an interface and
// answers for it. Those of "all" hold beside an interface's own: the greater of both is
// in force for arp_ignore and rp_filter, either is for arp_filter and route_localnet. A
// write to the all of disable_ipv6 changes that of every interface.
type settings struct {
	ip4, ip6      bool   // the family is there at all: not with too small an MTU
	noARP         bool   // IFF_NOARP
	arpIgnore     uint32 // net.ipv4.conf.*.arp_ignore, and so on
	arpFilter     bool
	reversePath   uint32 // rp_filter
	routeLocalnet bool
	disabled6     bool // net.ipv6.conf.*.disable_ipv6
}

// Places of settings in the kernel's lists (IPV4_DEVCONF_* - 1 and DEVCONF_*).
const (
	ipv4ReversePath   = 7
	ipv4ARPFilter     = 12
	ipv4ARPIgnore     = 18
	ipv4RouteLocalnet = 25
	ipv6Forwarding    = 0
	ipv6Disable       = 26
)

// read takes the settings from an interface's IFLA_AF_SPEC.
func (s *settings) read(spec []byte) {
	for family := range attributes(spec) {
		s.ip4 = s.ip4 || family == unix.AF_INET
		s.ip6 = s.ip6 || family == unix.AF_INET6
	}
	s.arpIgnore = setting(spec, unix.AF_INET, 1, ipv4ARPIgnore)
	s.arpFilter = setting(spec, unix.AF_INET, 1, ipv4ARPFilter) != 0
	s.reversePath = setting(spec, unix.AF_INET, 1, ipv4ReversePath)
	s.routeLocalnet = setting(spec, unix.AF_INET, 1, ipv4RouteLocalnet) != 0
	s.disabled6 = setting(spec, unix.AF_INET6, 2, ipv6Disable) != 0
}

// Values of arp_ignore (the kernel's Documentation/networking/ip-sysctl.rst).
const (
	sameNetworkOnly = 2 // answers whom an address of the interface shares a network with
	noHostScope     = 3 // answers for no address of scope host
	noAnswer        = 8 // answers for none
)

// strict is the rp_filter that drops what would be answered through another interface.
const strict = 1

// hindrance returns why a could not be put on l, or not be reached there, though l may
// carry a signal; nil if nothing is known.
func (h *Hands) hindrance(v *view, l link, a Address) error {
	text := ""
	switch {
	case !l.ethernet:
		text = fmt.Sprintf("%s is no Ethernet interface: nobody can be told where the address is", l.Name)
	case l.noARP:
		text = fmt.Sprintf("%s neither asks nor answers by ARP: ip link set %s arp on", l.Name, l.Name)
	case a.Prefix.Addr().Is4():
		text = h.hindrance4(v, l, a.Prefix.Addr())
	default:
		text = hindrance6(l)
	}
	if text == "" {
		return nil
	}
	return unable{a.Prefix.Addr(), text}
}

// unable is an ErrUnable with its reason.
type unable struct {
	addr netip.Addr
	text string
}

func (u unable) Error() string        { return fmt.Sprintf("%s: %s", u.addr, u.text) }
func (u unable) Is(target error) bool { return target == ErrUnable }

func hindrance6(l link) string {
	switch {
	case l.disabled6:
		return fmt.Sprintf("IPv6 is off on %s: set net.ipv6.conf.%s.disable_ipv6 to 0", l.Name, l.Name)
	case !l.ip6:
		return fmt.Sprintf("the kernel has no IPv6 on %s: it needs IPv6 and an MTU of 1280 at least", l.Name)
	}
	return ""
}

func (h *Hands) hindrance4(v *view, l link, addr netip.Addr) string {
	if !l.ip4 {
		return fmt.Sprintf("the kernel has no IPv4 on %s", l.Name)
	}
	arpIgnore, where := max(v.all.arpIgnore, l.arpIgnore), l.Name
	if v.all.arpIgnore == arpIgnore {
		where = "all"
	}
	setting := fmt.Sprintf("net.ipv4.conf.%s.arp_ignore is %d", where, arpIgnore)
	switch {
	case arpIgnore == noAnswer:
		return setting + ", so the kernel answers no ARP request: set it to 0, 1 or 2"
	case arpIgnore == noHostScope:
		return setting + ", so the kernel answers no ARP request for a shared address, whose scope is host: set it to 0, 1 or 2"
	case arpIgnore == sameNetworkOnly && !connected(v, l.Index, addr):
		return setting + fmt.Sprintf(", so the kernel answers nobody on a network where %s has no address of this host: set it to 0 or 1, or give this host one", l.Name)
	}
	return h.otherWay(v, l, addr, arpIgnore)
}

// otherWay returns why clients on the network of addr are not answered when the kernel
// reaches them through another interface than l.
func (h *Hands) otherWay(v *view, l link, addr netip.Addr, arpIgnore uint32) string {
	filtered := arpIgnore > 0 && (v.all.arpFilter || l.arpFilter)
	reverse := max(v.all.reversePath, l.reversePath) == strict
	if !filtered && !reverse {
		return ""
	}
	own, ok := v.network(l.Index, addr)
	if !ok {
		return ""
	}
	index, err := v.way(h.kernel, own)
	other, known := v.byIndex(index)
	if err != nil || index == l.Index || !known {
		return ""
	}
	setting := "arp_filter"
	if reverse {
		setting = "rp_filter"
	}
	return fmt.Sprintf("the kernel reaches %s through %s, and with %s on it answers no client there on %s: set net.ipv4.conf.*.%s to 0, or interface to %s",
		own.Masked(), other.Name, setting, l.Name, setting, other.Name)
}

// network is the host's own address on the interface whose network contains addr.
func (v *view) network(index int, addr netip.Addr) (own netip.Prefix, ok bool) {
	i := slices.IndexFunc(v.addresses, func(a address) bool {
		return a.index == index && a.prefix.Addr() != addr && !a.prefix.IsSingleIP() && a.prefix.Contains(addr)
	})
	if i < 0 {
		return netip.Prefix{}, false
	}
	return v.addresses[i].prefix, true
}

// way returns the interface through which the kernel reaches a neighbour of own from it.
// It is asked once in the life of a view.
func (v *view) way(kernel *conn, own netip.Prefix) (index int, err error) {
	if index, known := v.ways[own]; known {
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
	if v.ways == nil {
		v.ways = make(map[netip.Prefix]int)
	}
	v.ways[own] = index
	return index, nil
}

// allSettings reads the settings that hold for every interface. The files stay those of
// the network namespace where they were opened.
type allSettings struct{ files [4]*os.File }

func openAllSettings() (*allSettings, error) {
	s := &allSettings{}
	for i, name := range []string{"arp_ignore", "arp_filter", "rp_filter", "route_localnet"} {
		f, err := os.Open("/proc/sys/net/ipv4/conf/all/" + name)
		if err != nil {
			s.close()
			return nil, err
		}
		s.files[i] = f
	}
	return s, nil
}

func (s *allSettings) read() (all settings, err error) {
	var values [4]uint32
	for i, f := range s.files {
		if values[i], err = readSetting(f); err != nil {
			return all, fmt.Errorf("read %s: %w", f.Name(), err)
		}
	}
	all.arpIgnore, all.arpFilter, all.reversePath, all.routeLocalnet = values[0], values[1] != 0, values[2], values[3] != 0
	return all, nil
}

func (s *allSettings) close() {
	for _, f := range s.files {
		if f != nil {
			f.Close()
		}
	}
}

// readSetting reads a number from an open file of /proc/sys.
func readSetting(f io.ReaderAt) (uint32, error) {
	b := make([]byte, 16)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	value, err := strconv.ParseUint(strings.TrimSpace(string(b[:n])), 10, 32)
	return uint32(value), err
}
