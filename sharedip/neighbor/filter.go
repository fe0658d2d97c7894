package neighbor

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in a frame, in bytes.
//
//	Ethernet 14 | ARP: op 20, sender MAC 22 and IP 28, target MAC 32 and IP 38
//	            | IPv4: source 26, destination 30
//	            | IPv6: next 20, hop limit 21, source 22, destination 38, ICMPv6 54:
//	            |       target 62, first option 78, the option after a MAC 86
const (
	etherTypeAt = 12
	arpOpAt     = 20
	arpMACAt    = 22
	arpSenderAt = 28
	arpTargetAt = 38
	arpEnd      = 42
	sourceAt4   = 26
	targetAt4   = 30
	targetEnd4  = 34
	nextAt      = 20
	hopLimitAt  = 21
	sourceAt6   = 22
	targetAt6   = 38
	icmpAt      = 54
	ndpTargetAt = 62
	optionsAt   = 78
	markAt      = 86
)

const (
	solicitation  = 135 // RFC 4861 section 4.3
	advertisement = 136 // and 4.4
	nonceOption   = 14  // RFC 3971 section 5.3.2
	toThisCard    = 0   // PACKET_HOST
	arpRequest    = 1
	arpReply      = 2
)

// Filter is the addresses that frames may be about.
type Filter struct {
	Shared  []netip.Addr // ours, held or not
	Peers   []netip.Addr // the other nodes' own
	Provers []netip.Addr // neighbours that are asked from a shared address
	Passive []netip.Addr // shared ones that any packet to them proves
}

// Program is the filter that lets pass the frames of interest: it looks for one
// address in each, by halving, and for IPv6 at its last 32 bits only. Frames with
// a VLAN tag belong to another network than that of the interface.
func (i Filter) Program() []bpf.Instruction {
	all := slices.Concat(i.Shared, i.Peers)
	byType := concat(
		[]bpf.Instruction{bpf.LoadAbsolute{Off: etherTypeAt, Size: 2}},
		when(unix.ETH_P_ARP, arpPart(all, i.Provers)),
		when(unix.ETH_P_IP, packetPart(targetAt4, words(i.Passive, netip.Addr.Is4))),
		when(unix.ETH_P_IPV6, concat(ndpPart(all, i.Provers), packetPart(targetAt6+12, words(i.Passive, netip.Addr.Is6)))),
		refuse())
	return concat(
		[]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}},
		when(0, byType),
		refuse())
}

// arpPart looks at the sender, or in a probe, whose sender is 0, at the target.
// Of those that prove, only replies matter.
func arpPart(all, provers []netip.Addr) []bpf.Instruction {
	reply := concat([]bpf.Instruction{bpf.LoadAbsolute{Off: arpSenderAt, Size: 4}}, anyOf(words(provers, netip.Addr.Is4)))
	return concat(
		[]bpf.Instruction{bpf.LoadAbsolute{Off: arpOpAt, Size: 2}, bpf.JumpIf{Val: arpReply, SkipTrue: 1}, bpf.Jump{Skip: uint32(len(reply))}},
		reply,
		[]bpf.Instruction{
			bpf.LoadAbsolute{Off: arpSenderAt, Size: 4},
			bpf.JumpIf{Val: 0, SkipFalse: 1},
			bpf.LoadAbsolute{Off: arpTargetAt, Size: 4},
		},
		search(words(all, netip.Addr.Is4)))
}

// ndpPart looks at an advertisement's target; at a solicitation's source, or in a
// probe, which has none or bears our mark, at its target. Other packets go on.
func ndpPart(all, provers []netip.Addr) []bpf.Instruction {
	wanted := search(words(slices.Concat(all, provers), netip.Addr.Is6))
	advertised := concat([]bpf.Instruction{bpf.LoadAbsolute{Off: ndpTargetAt + 12, Size: 4}}, wanted)
	solicited := concat([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtLen},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: markAt, SkipFalse: 2},
		bpf.LoadAbsolute{Off: markAt, Size: 1},
		bpf.JumpIf{Val: nonceOption, SkipTrue: 2},
		bpf.LoadAbsolute{Off: sourceAt6 + 12, Size: 4},
		bpf.JumpIf{Val: 0, SkipFalse: 1},
		bpf.LoadAbsolute{Off: ndpTargetAt + 12, Size: 4},
	}, search(words(all, netip.Addr.Is6)))
	icmp := concat(
		[]bpf.Instruction{bpf.LoadAbsolute{Off: icmpAt, Size: 1}},
		when(advertisement, advertised),
		when(solicitation, solicited))
	return concat([]bpf.Instruction{
		bpf.LoadAbsolute{Off: nextAt, Size: 1},
		bpf.JumpIf{Val: unix.IPPROTO_ICMPV6, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(icmp))},
	}, icmp)
}

// packetPart looks at the destination of packets to this very card.
func packetPart(at uint32, wanted []uint32) []bpf.Instruction {
	if len(wanted) == 0 {
		return refuse()
	}
	return concat(
		[]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtType}},
		when(toThisCard, concat([]bpf.Instruction{bpf.LoadAbsolute{Off: at, Size: 4}}, search(wanted))),
		refuse())
}

// The parts below compare what has been loaded.

// when runs part, which ends by itself, if the value is v.
func when(v uint32, part []bpf.Instruction) []bpf.Instruction {
	return concat([]bpf.Instruction{bpf.JumpIf{Val: v, SkipTrue: 1}, bpf.Jump{Skip: uint32(len(part))}}, part)
}

// anyOf lets the frame pass if the value is one of few, and goes on if not.
func anyOf(few []uint32) (part []bpf.Instruction) {
	for _, v := range few {
		part = append(part, bpf.JumpIf{Val: v, SkipFalse: 1}, bpf.RetConstant{Val: snapLength})
	}
	return part
}

// leaf is how many values are compared one after the other. A thousand addresses
// so take a quarter of the 4096 instructions that a filter may have.
const leaf = 32

// search ends: the frame passes if the value is one of those wanted, in order.
func search(wanted []uint32) (part []bpf.Instruction) {
	if len(wanted) > leaf {
		half := len(wanted) / 2
		lower, upper := search(wanted[:half]), search(wanted[half:])
		return concat([]bpf.Instruction{
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: wanted[half-1], SkipFalse: 1},
			bpf.Jump{Skip: uint32(len(lower))},
		}, lower, upper)
	}
	for i, v := range wanted {
		part = append(part, bpf.JumpIf{Val: v, SkipTrue: uint8(len(wanted) - i)})
	}
	return append(part, bpf.RetConstant{}, bpf.RetConstant{Val: snapLength})
}

func refuse() []bpf.Instruction { return []bpf.Instruction{bpf.RetConstant{}} }

func concat(parts ...[]bpf.Instruction) []bpf.Instruction { return slices.Concat(parts...) }

// words is the last 32 bits of the addresses of one family, in order, each once.
func words(addrs []netip.Addr, family func(netip.Addr) bool) (list []uint32) {
	for _, a := range addrs {
		if family(a) {
			b := a.AsSlice()
			list = append(list, binary.BigEndian.Uint32(b[len(b)-4:]))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// What a switch says on a port that it doesn't forward on, or a card to itself.
const (
	bridgeGroups  = 0x0180c200 // 01:80:c2:00:…, IEEE 802.1Q tables 8-1 to 8-3: never forwarded
	ciscoGroups   = 0x01000ccc // 01:00:0c:cc:…: per-VLAN spanning tree, discovery
	loopbackFrame = 0x9000     // Ethernet configuration testing, to the sender itself
)

// ForwardedProgram is the filter that lets pass what was forwarded to one of the
// interfaces.
func ForwardedProgram(interfaces []int) []bpf.Instruction {
	var indexes []uint32
	for _, index := range interfaces {
		indexes = append(indexes, uint32(index))
	}
	return concat(
		[]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtVLANTagPresent}},
		when(0, concat(
			[]bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}},
			when(bridgeGroups, refuse()),
			when(ciscoGroups, refuse()),
			[]bpf.Instruction{bpf.LoadAbsolute{Off: etherTypeAt, Size: 2}},
			when(loopbackFrame, refuse()),
			[]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtInterfaceIndex}},
			anyOf(indexes),
			refuse())),
		refuse())
}
