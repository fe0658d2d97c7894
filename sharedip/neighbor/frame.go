package neighbor

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"vipd/sharedip/rtnl"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"
	"golang.org/x/sys/unix"
)

// Frame is what is sent behind the Ethernet header, and to whom.
type Frame struct {
	To        net.HardwareAddr
	EtherType uint16
	Payload   []byte
}

var (
	broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	AllNodes  = netip.MustParseAddr("ff02::1")
)

// NewAnnouncement makes the frames that tell the LAN that addr is at l.
func NewAnnouncement(l rtnl.Link, addr netip.Addr) ([]Frame, error) {
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
func gratuitous(mac net.HardwareAddr, addr netip.Addr) ([]Frame, error) {
	var frames []Frame
	for _, form := range []arp.Operation{arp.OperationRequest, arp.OperationReply} {
		f, err := ARPFrame(form, mac, addr, mac, addr)
		if err != nil {
			return nil, err
		}
		frames = append(frames, f)
	}
	return frames, nil
}

// ARPFrame makes one ARP packet to all.
func ARPFrame(form arp.Operation, mac net.HardwareAddr, sender netip.Addr, targetMAC net.HardwareAddr, target netip.Addr) (Frame, error) {
	p, err := arp.NewPacket(form, mac, sender, targetMAC, target)
	if err != nil {
		return Frame{}, fmt.Errorf("make an ARP packet for %s: %w", target, err)
	}
	payload, err := p.MarshalBinary()
	if err != nil {
		return Frame{}, fmt.Errorf("make an ARP packet for %s: %w", target, err)
	}
	return Frame{broadcast, unix.ETH_P_ARP, payload}, nil
}

// unsolicited makes the unsolicited Neighbor Advertisement of RFC 4861 section
// 7.2.6: Override makes neighbours drop the old holder's link-layer address.
// Router says what the kernel's own advertisements say, because a neighbour that
// sees it cleared forgets its default route through the address.
//
// The source is the shared address itself: section 4.4 allows any address of
// the interface, this one is on it and never tentative, while the link-local
// address is tentative for up to 1.7 s after the link came up.
func unsolicited(l rtnl.Link, addr netip.Addr) ([]Frame, error) {
	na := &ndp.NeighborAdvertisement{
		Router:        l.Forwarding,
		Override:      true,
		TargetAddress: addr,
		Options:       []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: l.MAC}},
	}
	f, err := NDPFrame(na, addr, AllNodes)
	if err != nil {
		return nil, fmt.Errorf("make a neighbor advertisement of %s: %w", addr, err)
	}
	return []Frame{f}, nil
}

// NDPFrame makes one neighbour discovery packet to a multicast group, which on
// Ethernet is 33:33 and its last 32 bits (RFC 2464 section 7).
func NDPFrame(m ndp.Message, source, group netip.Addr) (Frame, error) {
	body, err := ndp.MarshalMessageChecksum(m, source, group)
	if err != nil {
		return Frame{}, err
	}
	to := append(net.HardwareAddr{0x33, 0x33}, group.AsSlice()[12:]...)
	return Frame{to, unix.ETH_P_IPV6, append(ipv6Header(len(body), source, group), body...)}, nil
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

// NewProbe makes the frame that asks who has addr and leaves no trace of addr in
// anybody's cache. For IPv4 it is the ARP Probe of RFC 5227 section 2.1.1, whose
// sender is 0.
//
// For IPv6 it is a solicitation from source, a link-local address. Its answer
// comes to us alone. The form of duplicate address detection, from no address,
// must be answered to all nodes with Override set (RFC 4861 section 7.2.4), so
// each question would make the holder announce itself anew, and undo what another
// has announced meanwhile; a node that is about to take the address would fail. It
// is used only where there is no source, and may then bear no hardware address
// (section 4.3). A nonce marks the probe, so that it isn't taken for the question
// of a mere client; receivers skip it (RFC 3971 section 5.3.2).
func NewProbe(l rtnl.Link, source, addr netip.Addr) (Frame, error) {
	if addr.Is4() {
		return ARPFrame(arp.OperationRequest, l.MAC, netip.IPv4Unspecified(), make(net.HardwareAddr, 6), addr)
	}
	nonce := make([]byte, 6)
	for i := range nonce {
		nonce[i] = byte(rand.Uint32())
	}
	return solicit(l, source, addr, &ndp.RawOption{Type: nonceOption, Length: 1, Value: nonce})
}

// NewQuestion makes the frame by which source asks for addr, and by which whoever is
// asked learns where source is (RFC 826, RFC 4861 section 7.2.3).
func NewQuestion(l rtnl.Link, source, addr netip.Addr) (Frame, error) {
	if addr.Is4() {
		return ARPFrame(arp.OperationRequest, l.MAC, source, make(net.HardwareAddr, 6), addr)
	}
	return solicit(l, source, addr)
}

func solicit(l rtnl.Link, source, addr netip.Addr, options ...ndp.Option) (Frame, error) {
	group, err := ndp.SolicitedNodeMulticast(addr)
	if err != nil {
		return Frame{}, fmt.Errorf("make a neighbor solicitation for %s: %w", addr, err)
	}
	if !source.IsUnspecified() {
		options = slices.Concat([]ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: l.MAC}}, options)
	}
	return NDPFrame(&ndp.NeighborSolicitation{TargetAddress: addr, Options: options}, source, group)
}
