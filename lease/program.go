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
	arpSizes     = 2 // protocol type, lengths of hardware and protocol addresses
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
	typeService  = 0x88a8       // IEEE 802.1ad
	arpPlain     = 0x0800_06_04 // IPv4, Ethernet (RFC 826)
	arpRequest   = 1
	protoICMP6   = 58
	solicitation = 135 // RFC 4861 section 4.3
	advertised   = 136 // RFC 4861 section 4.4
)

// Where a program keeps things on its stack, from the frame pointer.
const (
	stackKey  = -16 // the address, 16 octets
	stackWord = -24 // what was read last
)

// side is where a program looks in each protocol, to see whether a packet is
// the address's.
type side struct {
	name         string
	arp, ip4     int32
	ip6          int32
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
// R6 the packet, R7 the octet at which the network header begins.
func filterProgram(t *table, s side) (*ebpf.Program, error) {
	code := join(
		s.parse(),
		s.readARP(),
		s.readIP4(),
		s.readIP6(t),
		expired("check", t, "pass"),
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

// parse finds the network header behind at most two VLAN tags, and jumps to
// the protocol's part. What is not IPv4, IPv6 or ARP passes.
func (s side) parse() asm.Instructions {
	code := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Imm(asm.R7, etherHeader)}
	const tags = 2
	for i := range tags + 1 {
		code = append(code, load(etherType-etherHeader, stackWord, 2, "pass")...)
		code = append(code, asm.LoadMem(asm.R8, asm.RFP, stackWord, asm.Half), asm.HostTo(asm.BE, asm.R8, asm.Half))
		if i == tags {
			break
		}
		tagged := fmt.Sprintf("tagged%d", i)
		code = append(code,
			asm.JEq.Imm(asm.R8, typeVLAN, tagged),
			asm.JNE.Imm(asm.R8, typeService, "dispatch"),
			asm.Add.Imm(asm.R7, vlanTag).WithSymbol(tagged),
		)
	}
	return append(code,
		asm.JEq.Imm(asm.R8, typeIP4, "ip4").WithSymbol("dispatch"),
		asm.JEq.Imm(asm.R8, typeIP6, "ip6"),
		asm.JNE.Imm(asm.R8, typeARP, "pass"),
	)
}

// readARP finds the address of an ARP packet.
func (s side) readARP() asm.Instructions {
	code := load(arpSizes, stackWord, 4, "pass")
	code = append(code,
		asm.LoadMem(asm.R8, asm.RFP, stackWord, asm.Word),
		asm.HostTo(asm.BE, asm.R8, asm.Word),
		asm.JNE.Imm(asm.R8, arpPlain, "pass"),
	)
	if s.requestsOnly {
		code = append(code, load(arpOperation, stackWord, 2, "pass")...)
		code = append(code,
			asm.LoadMem(asm.R8, asm.RFP, stackWord, asm.Half),
			asm.HostTo(asm.BE, asm.R8, asm.Half),
			asm.JNE.Imm(asm.R8, arpRequest, "pass"),
		)
	}
	code = append(code, asm.Mov.Imm(asm.R8, s.arp), asm.Ja.Label("mapped"))
	return code
}

// readIP4 reads the address of an IPv4 header; that of an ARP packet goes the
// same way, R8 says where it is.
func (s side) readIP4() asm.Instructions {
	return join(
		asm.Instructions{
			asm.Mov.Imm(asm.R8, s.ip4).WithSymbol("ip4"),
			asm.Mov.Imm(asm.R1, 0).WithSymbol("mapped"), // ::ffff:0:0/96
			asm.StoreMem(asm.RFP, stackKey, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R1, 0xffff),
			asm.HostTo(asm.BE, asm.R1, asm.Word),
			asm.StoreMem(asm.RFP, stackKey+8, asm.R1, asm.Word),
			asm.Add.Reg(asm.R7, asm.R8),
		},
		load(0, stackKey+12, 4, "pass"),
		asm.Instructions{asm.Ja.Label("check")},
	)
}

// readIP6 looks at the header's own address and, in neighbour discovery, at
// the target as well.
func (s side) readIP6(t *table) asm.Instructions {
	code := load(s.ip6, stackKey, 16, "pass")
	code[0] = code[0].WithSymbol("ip6")
	return join(code,
		expired("header", t, "discovery"),
		asm.Instructions{asm.Ja.Label("drop")},
		named("discovery", load(ip6Next, stackWord, 1, "pass")),
		asm.Instructions{
			asm.LoadMem(asm.R8, asm.RFP, stackWord, asm.Byte),
			asm.JNE.Imm(asm.R8, protoICMP6, "pass"),
		},
		load(icmp6Type, stackWord, 1, "pass"),
		asm.Instructions{
			asm.LoadMem(asm.R8, asm.RFP, stackWord, asm.Byte),
			asm.JNE.Imm(asm.R8, s.discovery, "pass"),
		},
		load(ndTarget, stackKey, 16, "pass"),
	)
}

// load copies octets of the packet, counted from R7, to the stack; if it is too
// short for that, it jumps.
func load(from int32, to int16, octets int32, short string) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Reg(asm.R2, asm.R7),
		asm.Add.Imm(asm.R2, from),
		asm.Mov.Reg(asm.R3, asm.RFP),
		asm.Add.Imm(asm.R3, int32(to)),
		asm.Mov.Imm(asm.R4, octets),
		asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, short),
	}
}

// expired looks the stack's key up. It falls through when there is a lease and
// it has expired, and else jumps.
func expired(name string, t *table, otherwise string) asm.Instructions {
	return named(name, join(
		asm.Instructions{
			asm.LoadMapPtr(asm.R1, t.keys.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, stackKey),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, otherwise),
			asm.LoadMem(asm.R8, asm.R0, 0, asm.Word),
			asm.And.Imm(asm.R8, slots-1),
			asm.LSh.Imm(asm.R8, 3),
			asm.LoadMapValue(asm.R9, t.expiries.FD(), 0),
			asm.Add.Reg(asm.R9, asm.R8),
		},
		compare(otherwise),
	))
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
