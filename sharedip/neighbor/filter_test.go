package neighbor

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"vipd/sharedip/rtnl"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// sieve is two ends of a socket with a filter between them: the kernel itself
// says what passes.
type sieve struct{ in, out int }

func newSieve(t *testing.T, program []bpf.Instruction) *sieve {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK, 0)
	if err == nil {
		err = attach(ends[1], program)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(ends[0]); unix.Close(ends[1]) })
	return &sieve{ends[0], ends[1]}
}

func (s *sieve) passes(t *testing.T, f []byte) bool {
	t.Helper()
	err := unix.Send(s.in, f, 0)
	if err != nil && !errors.Is(err, unix.EPERM) { // what it says of a frame that is refused
		t.Fatal(err)
	}
	_, _, err = unix.Recvfrom(s.out, make([]byte, 2048), 0)
	return err == nil
}

// ether puts the Ethernet header before a frame.
func ether(t testing.TB, f Frame, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	b := append(append([]byte(nil), f.To...), 2, 0, 0, 0, 0, 5)
	return append(binary.BigEndian.AppendUint16(b, f.EtherType), f.Payload...)
}

func TestFilter(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 5}
	l := rtnl.Link{LinkState: rtnl.LinkState{MAC: mac}, Ethernet: true}
	peer, other := nodeAddrs[0], netip.MustParseAddr("192.0.2.77")
	peer6, other6 := nodeAddrs[1], netip.MustParseAddr("2001:db8::77")
	linkLocal := netip.MustParseAddr("fe80::5")
	a := func(form arp.Operation, from, to netip.Addr) []byte {
		f, err := ARPFrame(form, mac, from, mac, to)
		return ether(t, f, err)
	}
	na := func(target netip.Addr) []byte {
		f, err := NDPFrame(&ndp.NeighborAdvertisement{TargetAddress: target}, linkLocal, AllNodes)
		return ether(t, f, err)
	}
	ns := func(source, target netip.Addr) []byte {
		f, err := NewQuestion(l, source, target)
		return ether(t, f, err)
	}
	ask := func(source, target netip.Addr) []byte {
		f, err := NewProbe(l, source, target)
		return ether(t, f, err)
	}
	packet4 := append(append(make([]byte, 12), 8, 0), make([]byte, 20)...)
	copy(packet4[targetAt4:], shared4.AsSlice())
	packet6 := ether(t, Frame{broadcast, unix.ETH_P_IPV6, append(ipv6Header(8, other6, shared6), 128, 0, 0, 0, 0, 0, 0, 0)}, nil)

	i := Filter{
		Shared: []netip.Addr{shared4, shared6}, Peers: nodeAddrs, Provers: []netip.Addr{gateway4, gateway6},
	}
	attentive := i
	attentive.Passive = i.Shared
	usual, passive := newSieve(t, i.Program()), newSieve(t, attentive.Program())
	for _, row := range []struct {
		name           string
		frame          []byte
		usual, passive bool
	}{
		{"ARP request of a client", a(arpRequest, other, shared4), false, false},
		{"ARP request of a node", a(arpRequest, peer, other), true, true},
		{"ARP announcement", a(arpRequest, shared4, shared4), true, true},
		{"ARP announcement, reply form", a(arpReply, shared4, shared4), true, true},
		{"ARP probe", ask(netip.IPv6Unspecified(), shared4), true, true},
		{"ARP probe for another", ask(netip.IPv6Unspecified(), other), false, false},
		{"ARP reply of a prover", a(arpReply, gateway4, shared4), true, true},
		{"ARP request of a prover", a(arpRequest, gateway4, other), false, false},
		{"ARP reply of another", a(arpReply, other, shared4), false, false},
		{"NA", na(shared6), true, true},
		{"NA of a node", na(peer6), true, true},
		{"NA of a prover", na(gateway6), true, true},
		{"NA of another", na(other6), false, false},
		{"NS of a client", ns(other6, shared6), false, false},
		{"NS of a claimant", ns(shared6, other6), true, true},
		{"NS of a node", ns(peer6, other6), true, true},
		{"probe with a source", ask(linkLocal, shared6), true, true},
		{"probe without", ask(netip.IPv6Unspecified(), shared6), true, true},
		{"probe for another", ask(linkLocal, other6), false, false},
		{"IPv4 packet", packet4, false, true},
		{"IPv6 packet", packet6, false, true},
		{"IPv6 packet of another", ether(t, Frame{broadcast, unix.ETH_P_IPV6, append(ipv6Header(8, shared6, other6), 128, 0, 0, 0, 0, 0, 0, 0)}, nil), false, false},
		{"short", make([]byte, 13), false, false},
		{"LLDP", append(make([]byte, 12), 0x88, 0xcc), false, false},
	} {
		if got := usual.passes(t, row.frame); got != row.usual {
			t.Errorf("%s: passes %v", row.name, got)
		}
		if got := passive.passes(t, row.frame); got != row.passive {
			t.Errorf("%s, while any packet proves: passes %v", row.name, got)
		}
	}
}

// Each of very many addresses is found, and no other; the kernel takes the filter.
func TestFilterOfAThousand(t *testing.T) {
	var i Filter
	for n := range 500 {
		i.Shared = append(i.Shared, netip.AddrFrom4([4]byte{10, byte(n * 7), byte(n >> 6), byte(n)}))
		i.Shared = append(i.Shared, netip.AddrFrom16([16]byte{0x20, 1, 13: byte(n), 14: byte(n >> 8), 15: 1}))
	}
	i.Passive = i.Shared
	s := newSieve(t, i.Program())
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 5}
	for _, a := range i.Shared {
		f, err := NewAnnouncement(rtnl.Link{LinkState: rtnl.LinkState{MAC: mac}, Ethernet: true}, a)
		if err != nil {
			t.Fatal(err)
		}
		b, last := ether(t, f[0], nil), arpSenderAt+3
		if a.Is6() {
			last = ndpTargetAt + 15
		}
		if !s.passes(t, b) {
			t.Fatalf("%s does not pass", a)
		}
		b[last] ^= 0x80
		if s.passes(t, b) {
			t.Fatalf("one like %s passes", a)
		}
	}
}
