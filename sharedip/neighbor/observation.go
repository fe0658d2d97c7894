package neighbor

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// MAC is an Ethernet address.
type MAC [6]byte

// Observation is what one frame says of an address.
type Observation struct {
	Kind       Kind
	Index      int // of the interface it was seen on
	Addr       netip.Addr
	MAC        MAC        // whose frame it is; of tells, where addr is
	Peer       netip.Addr // of a reply, whom it answers; of a packet, who sent it
	ToThisCard bool       // to this very card
}

type Kind int

const (
	Announcement Kind = iota // mac has addr
	Reply                    // the same, in answer to a question of peer's
	Probe                    // mac asks who has addr, with no address or by our own probe
	Traffic                  // a packet to addr
)

// Parse reads a frame. Ethernet padding may follow what it looks at.
func Parse(a ReceivedFrame) (s Observation, ok bool) {
	f := a.Frame
	if len(f) < etherTypeAt+2 {
		return Observation{}, false
	}
	s = Observation{Index: a.Index, ToThisCard: a.ToThisCard, MAC: MAC(f[6:12])}
	switch binary.BigEndian.Uint16(f[etherTypeAt:]) {
	case unix.ETH_P_ARP:
		ok = s.readARP(f)
	case unix.ETH_P_IPV6:
		ok = s.readNDP(f) || s.readPacket(f, sourceAt6, targetAt6, icmpAt)
	case unix.ETH_P_IP:
		ok = s.readPacket(f, sourceAt4, targetAt4, targetEnd4)
	}
	return s, ok
}

// ethernetIPv4 begins every ARP packet about IPv4 on Ethernet (RFC 826): hardware
// 1, protocol 0800, lengths 6 and 4.
const ethernetIPv4 = 0x0001_0800_0604

// readARP takes the sender's word for it, whichever the form: it is what
// neighbours believe, even where the Ethernet header says otherwise.
func (s *Observation) readARP(f []byte) bool {
	if len(f) < arpEnd || binary.BigEndian.Uint64(f[14:])>>16 != ethernetIPv4 {
		return false
	}
	op := binary.BigEndian.Uint16(f[arpOpAt:])
	target := netip.AddrFrom4([4]byte(f[arpTargetAt:]))
	s.Addr, s.MAC, s.Peer = netip.AddrFrom4([4]byte(f[arpSenderAt:])), MAC(f[arpMACAt:]), target
	switch {
	case op == arpRequest && s.Addr.IsUnspecified():
		s.Kind, s.Addr = Probe, target
	case op == arpRequest:
		s.Kind = Announcement
	case op == arpReply:
		s.Kind = Reply
	default:
		return false
	}
	return true
}

// readNDP reads solicitations and advertisements (RFC 4861 sections 4.3 and 4.4).
// The checksum is not looked at: a sender's card may fill it in after this.
func (s *Observation) readNDP(f []byte) bool {
	if len(f) < optionsAt || f[nextAt] != unix.IPPROTO_ICMPV6 || f[hopLimitAt] != 255 || f[icmpAt+1] != 0 {
		return false
	}
	source, target := netip.AddrFrom16([16]byte(f[sourceAt6:])), netip.AddrFrom16([16]byte(f[ndpTargetAt:]))
	switch {
	case f[icmpAt] == advertisement:
		const targetMAC = 2 // RFC 4861 section 4.6.1
		s.Kind, s.Addr, s.Peer = Announcement, target, netip.AddrFrom16([16]byte(f[targetAt6:]))
		if f[icmpAt+4]&0x40 != 0 { // Solicited
			s.Kind = Reply
		}
		s.option(f, targetMAC)
	case f[icmpAt] == solicitation && (source.IsUnspecified() || len(f) > markAt && f[markAt] == nonceOption):
		s.Kind, s.Addr = Probe, target
	case f[icmpAt] == solicitation:
		const sourceMAC = 1
		s.Kind, s.Addr, s.Peer = Announcement, source, target
		s.option(f, sourceMAC)
	default:
		return false
	}
	return true
}

// option takes the hardware address from the first option, if it is that one.
// Without it, neighbours go by the frame's own sender.
func (s *Observation) option(f []byte, kind byte) {
	if len(f) >= markAt && f[optionsAt] == kind && f[optionsAt+1] == 1 {
		s.MAC = MAC(f[optionsAt+2:])
	}
}

// readPacket reads an IP packet's two addresses.
func (s *Observation) readPacket(f []byte, source, target, end int) bool {
	if len(f) < end {
		return false
	}
	s.Kind = Traffic
	s.Peer, _ = netip.AddrFromSlice(f[source:target])
	s.Addr, _ = netip.AddrFromSlice(f[target:end])
	return true
}
