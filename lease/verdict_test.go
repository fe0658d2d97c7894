package lease

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"vipd/host/boot"
	"vipd/testlab/rig"
)

var (
	shared4 = netip.MustParseAddr("192.0.2.10")
	shared6 = netip.MustParseAddr("2001:db8::10")
	other4  = netip.MustParseAddr("192.0.2.99")
	other6  = netip.MustParseAddr("2001:db8::99")
	zero4   = netip.IPv4Unspecified()
	zero6   = netip.IPv6Unspecified()
)

// frame is an Ethernet frame, with the tags' types before its own.
func frame(kind uint16, payload []byte, tags ...uint16) []byte {
	b := bytes.Repeat([]byte{2}, 12)
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = binary.BigEndian.AppendUint16(b, 5)
	}
	return append(binary.BigEndian.AppendUint16(b, kind), payload...)
}

func arp(operation byte, sender, target netip.Addr) []byte {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, operation}, 2, 2, 2, 2, 2, 2)
	b = append(append(b, sender.AsSlice()...), 2, 2, 2, 2, 2, 2)
	return append(b, target.AsSlice()...)
}

// ip4 is a datagram, fragment is its flags and offset.
func ip4(from, to netip.Addr, fragment uint16) []byte {
	b := []byte{0x45, 0, 0, 28, 0, 1, byte(fragment >> 8), byte(fragment), 64, 17, 0, 0}
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	sum := uint32(0) // a bridge drops what has a wrong one
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum+sum>>16))
	return append(b, make([]byte, 8)...)
}

func ip6(from, to netip.Addr, next byte, payload []byte) []byte {
	b := []byte{0x60, 0, 0, 0, 0, byte(len(payload)), next, 255}
	return append(append(append(b, from.AsSlice()...), to.AsSlice()...), payload...)
}

// discovery is a neighbour discovery message.
func discovery(kind byte, from, to, target netip.Addr) []byte {
	return ip6(from, to, protoICMP6, append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, target.AsSlice()...))
}

func openBPF(t testing.TB) *programs {
	t.Helper()
	rig.Need(t, rig.BPF)
	in, err := openPrograms(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.close(true) })
	return in.(*programs)
}

// packetCases are all forms of packets; in and out say whether an expired lease
// of both shared addresses drops them.
var packetCases = []struct {
	name    string
	frame   []byte
	in, out bool
}{
	{"ARP request for it", frame(typeARP, arp(1, other4, shared4)), true, false},
	{"ARP probe for it", frame(typeARP, arp(1, zero4, shared4)), true, false},
	{"ARP request from it", frame(typeARP, arp(1, shared4, other4)), false, true},
	{"ARP reply to it", frame(typeARP, arp(2, other4, shared4)), false, false},
	{"ARP reply from it", frame(typeARP, arp(2, shared4, other4)), false, true},
	{"ARP announcement, request form", frame(typeARP, arp(1, shared4, shared4)), true, true},
	{"ARP announcement, reply form", frame(typeARP, arp(2, shared4, shared4)), false, true},
	{"ARP between others", frame(typeARP, arp(1, other4, zero4)), false, false},
	{"ARP for other hardware", frame(typeARP, append([]byte{0, 6, 8, 0, 8, 4}, arp(1, shared4, shared4)[6:]...)), false, false},
	{"IPv4 to it", frame(typeIP4, ip4(other4, shared4, 0)), true, false},
	{"IPv4 from it", frame(typeIP4, ip4(shared4, other4, 0)), false, true},
	{"IPv4 between others", frame(typeIP4, ip4(other4, zero4, 0)), false, false},
	{"IPv4 to it from itself", frame(typeIP4, ip4(shared4, shared4, 0)), true, true},
	{"IPv4 first fragment to it", frame(typeIP4, ip4(other4, shared4, 0x2000)), true, false},
	{"IPv4 last fragment from it", frame(typeIP4, ip4(shared4, other4, 0x00b9)), false, true},
	{"IPv6 to it", frame(typeIP6, ip6(other6, shared6, 17, make([]byte, 8))), true, false},
	{"IPv6 from it", frame(typeIP6, ip6(shared6, other6, 17, make([]byte, 8))), false, true},
	{"IPv6 fragment to it", frame(typeIP6, ip6(other6, shared6, 44, make([]byte, 16))), true, false},
	{"IPv6 between others", frame(typeIP6, ip6(other6, zero6, 17, make([]byte, 8))), false, false},
	{"NS for it, to the group", frame(typeIP6, discovery(135, other6, zero6, shared6)), true, false},
	{"NS for it, to itself", frame(typeIP6, discovery(135, other6, shared6, shared6)), true, false},
	{"NS for another", frame(typeIP6, discovery(135, other6, zero6, other6)), false, false},
	{"NS from it", frame(typeIP6, discovery(135, shared6, zero6, other6)), false, true},
	{"NA of it, from another address", frame(typeIP6, discovery(136, other6, zero6, shared6)), false, true},
	{"NA of it, from itself", frame(typeIP6, discovery(136, shared6, zero6, shared6)), false, true},
	{"NA of another to it", frame(typeIP6, discovery(136, other6, shared6, other6)), true, false},
	{"echo request with its octets where a target would be", frame(typeIP6, discovery(128, other6, zero6, shared6)), false, false},
	{"IPv4 to it in a VLAN", frame(typeIP4, ip4(other4, shared4, 0), typeVLAN), true, false},
	{"ARP request for it in a VLAN", frame(typeARP, arp(1, other4, shared4), typeVLAN), true, false},
	{"NA of it in a VLAN", frame(typeIP6, discovery(136, other6, zero6, shared6), typeVLAN), false, true},
	{"IPv4 to it in a VLAN of a provider's", frame(typeIP4, ip4(other4, shared4, 0), typeService, typeVLAN), true, false},
	{"IPv4 to it in three VLANs", frame(typeIP4, ip4(other4, shared4, 0), typeVLAN, typeVLAN, typeVLAN), false, false},
	// The kernel refuses to try plain IP frames that are too short, so these are tagged.
	{"IPv4 cut short before its target", frame(typeIP4, ip4(shared4, shared4, 0)[:18], typeVLAN), false, true},
	{"ARP cut short before its target", frame(typeARP, arp(1, shared4, shared4)[:20]), false, true},
	{"IPv6 cut short", frame(typeIP6, ip6(shared6, shared6, 17, nil)[:30], typeVLAN), false, true},
	{"NS cut short", frame(typeIP6, discovery(135, other6, zero6, shared6)[:60]), false, false},
	{"another protocol", frame(0x88cc, make([]byte, 46)), false, false},
	{"nothing behind the header", frame(typeARP, nil), false, false},
}

func TestVerdicts(t *testing.T) {
	p := openBPF(t)
	cells, err := p.enter([]netip.Addr{shared4, shared6})
	if err != nil {
		t.Fatal(err)
	}
	for _, valid := range []bool{false, true} {
		for _, cell := range cells {
			cell.Store(0)
			if valid {
				cell.Store(int64(boot.Now().Add(time.Hour)))
			}
		}
		for _, c := range packetCases {
			check(t, p.in, c.name+", ingress", c.frame, c.in && !valid)
			check(t, p.out, c.name+", egress", c.frame, c.out && !valid)
		}
	}
}

func check(t *testing.T, program *ebpf.Program, name string, packet []byte, dropped bool) {
	t.Helper()
	verdict, err := program.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	want := int32(pass)
	if dropped {
		want = drop
	}
	if int32(verdict) != want {
		t.Errorf("%s: verdict %d, want %d", name, int32(verdict), want)
	}
}
