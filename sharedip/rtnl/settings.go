package rtnl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Settings are what decides whether the kernel takes an address on an interface and
// answers for it. Those of "all" hold beside an interface's own: the greater of both is
// in force for arp_ignore and rp_filter, either is for arp_filter and route_localnet. A
// write to the all of disable_ipv6 changes that of every interface.
type Settings struct {
	IPv4, IPv6        bool   // the family is there at all: not with too small an MTU
	NoARP             bool   // IFF_NOARP
	ARPIgnore         uint32 // net.ipv4.conf.*.arp_ignore, and so on
	ARPFilter         bool
	ReversePathFilter uint32 // rp_filter
	RouteLocalnet     bool
	DisabledIPv6      bool // net.ipv6.conf.*.disable_ipv6
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

// parse takes the settings from an interface's IFLA_AF_SPEC.
func (s *Settings) parse(spec []byte) {
	for family := range attributes(spec) {
		s.IPv4 = s.IPv4 || family == unix.AF_INET
		s.IPv6 = s.IPv6 || family == unix.AF_INET6
	}
	s.ARPIgnore = setting(spec, unix.AF_INET, 1, ipv4ARPIgnore)
	s.ARPFilter = setting(spec, unix.AF_INET, 1, ipv4ARPFilter) != 0
	s.ReversePathFilter = setting(spec, unix.AF_INET, 1, ipv4ReversePath)
	s.RouteLocalnet = setting(spec, unix.AF_INET, 1, ipv4RouteLocalnet) != 0
	s.DisabledIPv6 = setting(spec, unix.AF_INET6, 2, ipv6Disable) != 0
}

// AllSettings reads the settings that hold for every interface. The files stay those of
// the network namespace where they were opened.
type AllSettings struct{ files [4]*os.File }

func OpenAllSettings() (*AllSettings, error) {
	s := &AllSettings{}
	for i, name := range []string{"arp_ignore", "arp_filter", "rp_filter", "route_localnet"} {
		f, err := os.Open("/proc/sys/net/ipv4/conf/all/" + name)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.files[i] = f
	}
	return s, nil
}

func (s *AllSettings) Read() (all Settings, err error) {
	var values [4]uint32
	for i, f := range s.files {
		if values[i], err = readSetting(f); err != nil {
			return all, fmt.Errorf("read %s: %w", f.Name(), err)
		}
	}
	all.ARPIgnore, all.ARPFilter, all.ReversePathFilter, all.RouteLocalnet = values[0], values[1] != 0, values[2], values[3] != 0
	return all, nil
}

func (s *AllSettings) Close() {
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
