package lease

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Verdicts of a tc program: let the interface's other filters decide, or drop.
const (
	pass = -1 // TC_ACT_UNSPEC
	drop = 2  // TC_ACT_SHOT
)

// Frames, octets from the beginning of the frame and of the header within.
const (
	etherType    = 12
	etherHeader  = 14
	vlanTag      = 4
	arpProtocol  = 2
	arpLengths   = 4 // of hardware and protocol addresses
	arpOperation = 6
	arpSender    = 14
	arpTarget    = 24
	ip4Source    = 12
	ip4Target    = 16
	ip6Next      = 6
	ip6Source    = 8
	ip6Target    = 24
	icmp6Type    = 40
	ndTarget     = 48
)

// Values of their fields.
const (
	typeIP4      = 0x0800
	typeARP      = 0x0806
	typeIP6      = 0x86dd
	typeVLAN     = 0x8100
	typeService  = 0x88a8 // IEEE 802.1ad
	etherIP4     = 0x0604 // ARP lengths of Ethernet and IPv4 addresses (RFC 826)
	arpRequest   = 1
	protoICMP6   = 58
	solicitation = 135 // RFC 4861 section 4.3
	advertised   = 136 // RFC 4861 section 4.4
)

// Where a program keeps things on its stack, from the frame pointer: the packet
// from its EtherType on, as far as we look, with the network header aligned, and
// the address of an IPv4 packet in its mapped form.
const (
	copied      = 2 + ndTarget + 16 // octets
	stackType   = -copied
	stackIP     = stackType + 2
	stackEnd    = -72 // the copy, rounded to words of 8
	stackIP4    = -96
	octetsIP4   = stackIP4 + 12
	prefixIP4   = stackIP4 + 8
	packetSize  = 0  // in the packet's description, struct __sk_buff
	interfaceAt = 40 // likewise: the index
)

// side is where a program looks in each protocol, to see whether a packet is
// the address's.
type side struct {
	name         string
	arp, ip4     int16
	ip6          int16
	discovery    int32 // neighbour discovery message whose target counts too
	requestsOnly bool  // of ARP
}

var (
	// ingress is what is addressed to the address. ARP replies are not: the
	// announcement of another holder is one, and its clients here must hear it.
	ingress = side{"vipd_lease_in", arpTarget, ip4Target, ip6Target, solicitation, true}
	// egress is what comes from it.
	egress = side{"vipd_lease_out", arpSender, ip4Source, ip6Source, advertised, false}
)

// filterProgram loads the program for one side. Registers that live through it:
// R6 the packet, R7 the octet at which the EtherType is, R8 that type.
func filterProgram(t *table, s side) (*ebpf.Program, error) {
	code := join(
		s.parse(),
		s.readARP(),
		s.readIP4(t),
		s.readIP6(t),
		asm.Instructions{
			asm.Mov.Imm(asm.R0, drop).WithSymbol("drop"),
			asm.Return(),
			asm.Mov.Imm(asm.R0, pass).WithSymbol("pass"),
			asm.Return(),
		},
	)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: s.name, Type: ebpf.SchedCLS, Instructions: code, License: "Dual BSD/GPL",
	})
	if err != nil {
		return nil, fmt.Errorf("load program %s: %w", s.name, err)
	}
	return program, nil
}

// parse copies the packet's beginning to the stack, from behind at most two VLAN
// tags, and jumps to the protocol's part. What is not IPv4, IPv6 or ARP passes.
// Octets that the packet doesn't have stay zero: no shared address.
func (s side) parse() asm.Instructions {
	code := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Imm(asm.R7, etherType)}
	const tags = 2
	for i := range tags {
		tagged := fmt.Sprintf("tagged%d", i)
		code = append(code, copyPacket(i)...)
		code = append(code,
			asm.JEq.Imm(asm.R8, typeVLAN, tagged),
			asm.JNE.Imm(asm.R8, typeService, "dispatch"),
			asm.Add.Imm(asm.R7, vlanTag).WithSymbol(tagged),
		)
	}
	return join(code, copyPacket(tags), asm.Instructions{
		asm.JEq.Imm(asm.R8, typeIP4, "ip4").WithSymbol("dispatch"),
		asm.JEq.Imm(asm.R8, typeIP6, "ip6"),
		asm.JNE.Imm(asm.R8, typeARP, "pass"),
	})
}

// copyPacket copies from R7 on, as much as there is, and reads the EtherType. One
// call for all is cheaper than one for each field.
func copyPacket(turn int) asm.Instructions {
	fits := fmt.Sprintf("fits%d", turn)
	clear := asm.Instructions{asm.Mov.Imm(asm.R1, 0)}
	for at := int16(stackEnd); at < 0; at += 8 {
		clear = append(clear, asm.StoreMem(asm.RFP, at, asm.R1, asm.DWord))
	}
	return join(clear, asm.Instructions{
		asm.LoadMem(asm.R4, asm.R6, packetSize, asm.Word),
		asm.JLE.Reg(asm.R4, asm.R7, "pass"),
		asm.Sub.Reg(asm.R4, asm.R7),
		asm.JLE.Imm(asm.R4, copied, fits),
		asm.Mov.Imm(asm.R4, copied),
		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol(fits),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, stackType),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "pass"),
	}, field(stackType, asm.Half))
}

// field reads a number from the stack into R8.
func field(at int16, size asm.Size) asm.Instructions {
	code := asm.Instructions{asm.LoadMem(asm.R8, asm.RFP, at, size)}
	if size != asm.Byte {
		code = append(code, asm.HostTo(asm.BE, asm.R8, size))
	}
	return code
}

// require passes the packet on unless the field of the network header has that
// value.
func require(at int16, size asm.Size, value int32) asm.Instructions {
	return append(field(stackIP+at, size), asm.JNE.Imm(asm.R8, value, "pass"))
}

// readARP finds the address of an ARP packet.
func (s side) readARP() asm.Instructions {
	code := join(
		require(arpProtocol, asm.Half, typeIP4),
		require(arpLengths, asm.Half, etherIP4),
	)
	if s.requestsOnly {
		code = join(code, require(arpOperation, asm.Half, arpRequest))
	}
	return join(code, copyIP4(s.arp), asm.Instructions{asm.Ja.Label("mapped")})
}

// readIP4 finds the address of an IPv4 packet, and judges it and that of ARP.
func (s side) readIP4(t *table) asm.Instructions {
	return join(
		named("ip4", copyIP4(s.ip4)),
		asm.Instructions{
			asm.Mov.Imm(asm.R1, 0).WithSymbol("mapped"), // ::ffff:0:0/96
			asm.StoreMem(asm.RFP, stackIP4, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R1, 0xffff),
			asm.HostTo(asm.BE, asm.R1, asm.Word),
			asm.StoreMem(asm.RFP, prefixIP4, asm.R1, asm.Word),
		},
		expired(t, stackIP4, "pass"),
		asm.Instructions{asm.Ja.Label("drop")},
	)
}

// copyIP4 copies the address at that octet of the network header, by halves: in
// an ARP packet it may not be aligned.
func copyIP4(from int16) asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.RFP, stackIP+from, asm.Half),
		asm.LoadMem(asm.R2, asm.RFP, stackIP+from+2, asm.Half),
		asm.StoreMem(asm.RFP, octetsIP4, asm.R1, asm.Half),
		asm.StoreMem(asm.RFP, octetsIP4+2, asm.R2, asm.Half),
	}
}

// readIP6 judges an IPv6 packet by the address in its header and, in neighbour
// discovery, by the target as well.
func (s side) readIP6(t *table) asm.Instructions {
	return join(
		named("ip6", scope(stackIP+s.ip6)),
		named("scoped"+offset(stackIP+s.ip6), expired(t, stackIP+s.ip6, "discovery")),
		asm.Instructions{asm.Ja.Label("drop")},
		named("discovery", require(ip6Next, asm.Byte, protoICMP6)),
		require(icmp6Type, asm.Byte, s.discovery),
		scope(stackIP+ndTarget),
		named("scoped"+offset(stackIP+ndTarget), expired(t, stackIP+ndTarget, "pass")),
	)
}

// scope makes the copy of a link-local address its key: with the index of the interface,
// for it is another address on each.
func scope(address int16) asm.Instructions {
	const linkLocal, first10 = 0xfe80, 0xffc0 // fe80::/10
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.RFP, address, asm.Half),
		asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.And.Imm(asm.R1, first10),
		asm.JNE.Imm(asm.R1, linkLocal, "scoped"+offset(address)),
		asm.LoadMem(asm.R1, asm.R6, interfaceAt, asm.Word),
		asm.StoreMem(asm.RFP, address+zoneAt, asm.R1, asm.Word),
	}
}

// offset tells labels apart.
func offset(at int16) string { return fmt.Sprint(-at) }

// expired looks up the address that is there on the stack. It falls through when
// there is a lease and that has expired, and else jumps.
func expired(t *table, address int16, otherwise string) asm.Instructions {
	return join(
		asm.Instructions{
			asm.LoadMapPtr(asm.R1, t.keys.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, int32(address)),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, otherwise),
			asm.LoadMem(asm.R8, asm.R0, 0, asm.Word), // the slot
			asm.And.Imm(asm.R8, slots-1),
			asm.LSh.Imm(asm.R8, 3),
			asm.LoadMapValue(asm.R9, t.expiries.FD(), 0),
			asm.Add.Reg(asm.R9, asm.R8),
		},
		compare(otherwise),
	)
}

// compare reads the expiry at R9. It falls through when that has come, and
// else jumps.
func compare(otherwise string) asm.Instructions {
	return asm.Instructions{
		asm.FnKtimeGetBootNs.Call(),
		asm.LoadMem(asm.R1, asm.R9, 0, asm.DWord),
		asm.JLT.Reg(asm.R0, asm.R1, otherwise),
	}
}

// named puts a label on the first instruction.
func named(label string, code asm.Instructions) asm.Instructions {
	code[0] = code[0].WithSymbol(label)
	return code
}

func join(parts ...asm.Instructions) (code asm.Instructions) {
	for _, p := range parts {
		code = append(code, p...)
	}
	return code
}
