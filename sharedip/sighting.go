package sharedip

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// hardware is an Ethernet address.
type hardware [6]byte

// sighting is what one frame says of an address.
type sighting struct {
	kind  sightingKind
	index int // of the interface it was seen on
	addr  netip.Addr
	mac   hardware   // whose frame it is; of tells, where addr is
	peer  netip.Addr // of a reply, whom it answers; of a packet, who sent it
	toUs  bool       // to this very card
}

type sightingKind int

const (
	tells   sightingKind = iota // mac has addr
	replies                     // the same, in answer to a question of peer's
	probes                      // mac asks who has addr, with no address or by our own probe
	carries                     // a packet to addr
)

// sight reads a frame. Ethernet padding may follow what it looks at.
func sight(a arrival) (s sighting, ok bool) {
	f := a.frame
	if len(f) < etherTypeAt+2 {
		return sighting{}, false
	}
	s = sighting{index: a.index, toUs: a.toUs, mac: hardware(f[6:12])}
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
func (s *sighting) readARP(f []byte) bool {
	if len(f) < arpEnd || binary.BigEndian.Uint64(f[14:])>>16 != ethernetIPv4 {
		return false
	}
	op := binary.BigEndian.Uint16(f[arpOpAt:])
	target := netip.AddrFrom4([4]byte(f[arpTargetAt:]))
	s.addr, s.mac, s.peer = netip.AddrFrom4([4]byte(f[arpSenderAt:])), hardware(f[arpMACAt:]), target
	switch {
	case op == arpRequest && s.addr.IsUnspecified():
		s.kind, s.addr = probes, target
	case op == arpRequest:
		s.kind = tells
	case op == arpReply:
		s.kind = replies
	default:
		return false
	}
	return true
}

// readNDP reads solicitations and advertisements (RFC 4861 sections 4.3 and 4.4).
// The checksum is not looked at: a sender's card may fill it in after this.
func (s *sighting) readNDP(f []byte) bool {
	if len(f) < optionsAt || f[nextAt] != unix.IPPROTO_ICMPV6 || f[hopLimitAt] != 255 || f[icmpAt+1] != 0 {
		return false
	}
	source, target := netip.AddrFrom16([16]byte(f[sourceAt6:])), netip.AddrFrom16([16]byte(f[ndpTargetAt:]))
	switch {
	case f[icmpAt] == advertisement:
		const targetMAC = 2 // RFC 4861 section 4.6.1
		s.kind, s.addr, s.peer = tells, target, netip.AddrFrom16([16]byte(f[targetAt6:]))
		if f[icmpAt+4]&0x40 != 0 { // Solicited
			s.kind = replies
		}
		s.option(f, targetMAC)
	case f[icmpAt] == solicitation && (source.IsUnspecified() || len(f) > markAt && f[markAt] == nonceOption):
		s.kind, s.addr = probes, target
	case f[icmpAt] == solicitation:
		const sourceMAC = 1
		s.kind, s.addr, s.peer = tells, source, target
		s.option(f, sourceMAC)
	default:
		return false
	}
	return true
}

// option takes the hardware address from the first option, if it is that one.
// Without it, neighbours go by the frame's own sender.
func (s *sighting) option(f []byte, kind byte) {
	if len(f) >= markAt && f[optionsAt] == kind && f[optionsAt+1] == 1 {
		s.mac = hardware(f[optionsAt+2:])
	}
}

// readPacket reads an IP packet's two addresses.
func (s *sighting) readPacket(f []byte, source, target, end int) bool {
	if len(f) < end {
		return false
	}
	s.kind = carries
	s.peer, _ = netip.AddrFromSlice(f[source:target])
	s.addr, _ = netip.AddrFromSlice(f[target:end])
	return true
}
