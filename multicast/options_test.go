package multicast

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// option is a socket's option as the kernel has it.
func option(t *testing.T, s *Socket, level, name int) (value int) {
	t.Helper()
	raw, err := s.SyscallConn()
	must(t, err)
	var failed error
	must(t, raw.Control(func(fd uintptr) { value, failed = unix.GetsockoptInt(int(fd), level, name) }))
	must(t, failed)
	return value
}

func TestTTL(t *testing.T) {
	a, _ := newLAN(t)
	for _, f := range families {
		level, name := unix.IPPROTO_IP, unix.IP_MULTICAST_TTL
		if f.group.Is6() {
			level, name = unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_HOPS
		}
		for ttl, want := range map[int]int{0: 1, 1: 1, 17: 17, 255: 255} {
			o := f.path(a)
			o.TTL = ttl
			c := a.open(o)
			if got := option(t, c.Unicast(), level, name); got != want {
				t.Errorf("%s: TTL %d became %d, want %d", f.name, ttl, got, want)
			}
			must(t, c.Close())
		}
	}
}

func TestQueuesHaveTheSizesAskedFor(t *testing.T) {
	const receive, send = 100 << 10, 50 << 10 // below every kernel's cap
	a, _ := newLAN(t)
	o := families[0].path(a)
	o.ReceiveBuffer, o.SendBuffer = receive, send
	c := a.open(o)
	for _, s := range []*Socket{c.Unicast(), c.Group()} {
		// The kernel doubles what is asked for, to pay for its own records.
		if got := option(t, s, unix.SOL_SOCKET, unix.SO_RCVBUF); got != 2*receive {
			t.Errorf("receive queue of %d bytes, want %d", got, 2*receive)
		}
		if got := option(t, s, unix.SOL_SOCKET, unix.SO_SNDBUF); got != 2*send {
			t.Errorf("send queue of %d bytes, want %d", got, 2*send)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	local, group := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddrPort("239.192.77.1:7000")
	cases := []struct {
		name    string
		options Options
	}{
		{"no local address", Options{Group: group}},
		{"every local address", Options{Local: netip.IPv4Unspecified()}},
		{"a group as local address", Options{Local: group.Addr()}},
		{"TTL below 0", Options{Local: local, TTL: -1}},
		{"TTL above 255", Options{Local: local, TTL: 256}},
		{"a group that is none", Options{Local: local, Group: netip.MustParseAddrPort("10.0.0.9:7000")}},
		{"a group without a port", Options{Local: local, Group: netip.AddrPortFrom(group.Addr(), 0)}},
		{"a group of the other family", Options{Local: netip.IPv6Loopback(), Group: group}},
	}
	for _, c := range cases {
		if _, err := Open(c.options); err == nil || Transient(err) {
			t.Errorf("%s: %v, want a lasting error", c.name, err)
		}
	}
}
