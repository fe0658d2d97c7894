package sharedip

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"vipd/sharedip/rtnl"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

// frame is what is sent behind the Ethernet header, and to whom.
type frame struct {
	to        net.HardwareAddr
	etherType uint16
	payload   []byte
}

var (
	broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodes  = netip.MustParseAddr("ff02::1")
)

// announcement makes the frames that tell the LAN that addr is at l.
func announcement(l rtnl.Link, addr netip.Addr) ([]frame, error) {
	if !l.Ethernet {
		return nil, fmt.Errorf("announce %s: %s is no Ethernet interface", addr, l.Name)
	}
	if addr.Is4() {
		return gratuitous(l.MAC, addr)
	}
	return unsolicited(l, addr)
}

// gratuitous makes both forms of the ARP announcement (RFC 5227 section 3):
// some stacks learn from the request form only, some from the reply form only.
// The target hardware address is the sender's, for the few that read it.
func gratuitous(mac net.HardwareAddr, addr netip.Addr) ([]frame, error) {
	var frames []frame
	for _, form := range []arp.Operation{arp.OperationRequest, arp.OperationReply} {
		f, err := arpFrame(form, mac, addr, mac, addr)
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// arpFrame makes one ARP packet to all.
func arpFrame(form arp.Operation, mac net.HardwareAddr, sender netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) (frame, error) {
	p, err := arp.NewPacket(form, mac, sender, targetMAC, target)
	if err != nil {
		return frame{}, fmt.Errorf("make an ARP packet for %s: %w", target, err)
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		return frame{}, fmt.Errorf("make an ARP packet for %s: %w", target, err)
	}
	return frame{broadcast, unix.ETH_P_ARP, payload}, nil
}

// unsolicited makes the unsolicited Neighbor Advertisement of RFC 4861 section
// 7.2.6: Override makes neighbours drop the old holder's link-layer address.
// Router says what the kernel's own advertisements say, because a neighbour that
// sees it cleared forgets its default route through the address.
//
// The source is the shared address itself: section 4.4 allows any address of
// the interface, this one is on it and never tentative, while the link-local
// address is tentative for up to 1.7 s after the link came up.
func unsolicited(l rtnl.Link, addr netip.Addr) ([]frame, error) {
	na := &ndp.NeighborAdvertisement{
		Router:        l.Forwarding,
		Override:      true,
		TargetAddress: addr,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: l.MAC}},
	}
	f, err := ndpFrame(na, addr, allNodes)
	if err != nil {
		return nil, fmt.Errorf("make a neighbor advertisement of %s: %w", addr, err)
	}
	return []frame{f}, nil
}

// ndpFrame makes one neighbour discovery packet to a multicast group, which on
// Ethernet is 33:33 and its last 32 bits (RFC 2464 section 7).
func ndpFrame(m ndp.Message, source, group netip.Addr) (frame, error) {
	body, err := ndp.MarshalMessageChecksum(m, source, group)
	if err != nil {
		return frame{}, err
	}
	to := append(net.HardwareAddr{0x33, 0x33}, group.AsSlice()[12:]...)
	return frame{to, unix.ETH_P_IPV6, append(ipv6Header(len(body), source, group), body...)}, nil
}

// ipv6Header is the header of RFC 8200 section 3. The hop limit of 255 shows
// that no router passed the packet on (RFC 4861 section 7.1.2).
//
//	0          4             6             7           8        24            40
//	+----------+-------------+-------------+-----------+--------+-------------+
//	| 6, class | body length | next header | hop limit | source | destination |
//	+----------+-------------+-------------+-----------+--------+-------------+
func ipv6Header(length int, source, destination netip.Addr) []byte {
	b := make([]byte, 0, 40+length)
	b = append(b, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(length))
	b = append(b, unix.IPPROTO_ICMPV6, 255)
	b = append(b, source.AsSlice()...)
	return append(b, destination.AsSlice()...)
}

// wire sends frames on any interface of its namespace. One socket serves all,
// by interface number: it outlives an interface that is made anew.
type wire struct{ fd int }

// openWire opens the packet socket. Protocol 0 makes it deaf: it only sends.
func openWire() (*wire, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	return &wire{fd: fd}, nil
}

func (w *wire) close() {
	unix.Close(w.fd)
	w.fd = -1 // the number may soon be another file's
}

// send gives the frame to the interface, by way of tc egress; a full queue is
// an error and never a wait.
func (w *wire) send(index int, f frame) error {
	to := &unix.SockaddrLinklayer{
		Ifindex:  index,
		Protocol: binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, f.etherType)),
		Halen:    uint8(len(f.to)),
	}
	copy(to.Addr[:], f.to)
	return unix.Sendto(w.fd, f.payload, unix.MSG_DONTWAIT, to)
}
