package lease

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// family is the two sets for one kind of address.
type family struct {
	ip4        bool
	held, live *nftables.Set
}

// newSets describes the sets of both families. They are numbered here, as a
// transaction needs it: the library would count in a variable that all of a
// process's connections share unguarded. Their size is said, so that the kernel makes
// room at once: a set that grows or shrinks while a transaction fills it refuses
// elements with EBUSY. Twice the leases, for a renewed element is there twice until its
// transaction ends.
func newSets() []family {
	table := &nftables.Table{Family: nftables.TableFamilyNetdev, Name: tableName}
	describe := func(ip4 bool, suffix string, first uint32, kind nftables.SetDatatype) family {
		return family{
			ip4:  ip4,
			held: &nftables.Set{Table: table, Name: "held" + suffix, ID: first, KeyType: kind, Size: 2 * slots},
			live: &nftables.Set{Table: table, Name: "live" + suffix, ID: first + 1, KeyType: kind, HasTimeout: true, Size: 2 * slots},
		}
	}
	return []family{describe(true, "4", 1, nftables.TypeIPAddr), describe(false, "6", 3, nftables.TypeIP6Addr)}
}

// setKey is the address as an element of a set: an IPv6 one is the key of its lease.
func setKey(address netip.Addr) []byte {
	if address.Is4() {
		return address.AsSlice()
	}
	k := addressKey(address)
	return k[:]
}

// keyAddress is the address that an element of a set is.
func keyAddress(octets []byte) (netip.Addr, bool) {
	if len(octets) == len(key{}) {
		return key(octets).address()
	}
	return netip.AddrFromSlice(octets)
}

// Chains of an interface are named by its index, so that a next daemon finds
// out which interfaces they are on.
const (
	chainIn  = "in_%d"
	chainOut = "out_%d"
)

// chainIndex is the index in a chain's name, 0 if there is none.
func chainIndex(name string) (index int) {
	if _, err := fmt.Sscanf(name, chainOut, &index); err != nil {
		return 0
	}
	return index
}

// chainsOf are the chains of an interface: both sides, on loopback only what
// comes from the address.
func chainsOf(table *nftables.Table, link netlink.Link) []*nftables.Chain {
	a := link.Attrs()
	first := nftables.ChainPriorityRef(-500) // before what others may have there
	out := &nftables.Chain{
		Table: table, Name: fmt.Sprintf(chainOut, a.Index), Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookEgress, Priority: first, Device: a.Name,
	}
	if a.EncapType == "loopback" {
		return []*nftables.Chain{out}
	}
	in := *out
	in.Name, in.Hooknum = fmt.Sprintf(chainIn, a.Index), nftables.ChainHookIngress
	return []*nftables.Chain{&in, out}
}

// rulesOf are the rules of a chain: the same questions as a program's.
func rulesOf(c *nftables.Chain, sets []family) [][]expr.Any {
	s := egress
	if c.Hooknum == nftables.ChainHookIngress {
		s = ingress
	}
	ip4, ip6 := sets[0], sets[1]
	arp := append(protocol(typeARP), octets(arpProtocol, []byte{0x08, 0x00, 6, 4})...) // IPv4, Ethernet
	if s.requestsOnly {
		arp = append(arp, octets(arpOperation, []byte{0, arpRequest})...)
	}
	target := append(protocol(typeIP6), octets(ip6Next, []byte{protoICMP6})...)
	target = append(target, octets(icmp6Type, []byte{byte(s.discovery)})...)
	return [][]expr.Any{
		append(protocol(typeIP4), ip4.dropExpired(s.ip4)...),
		append(arp, ip4.dropExpired(s.arp)...),
		append(protocol(typeIP6), ip6.dropExpired(s.ip6)...),
		append(slices.Clone(target), ip6.dropExpired(ndTarget)...),
		append(protocol(typeIP6), ip6.dropExpiredOn(s, s.ip6)...),
		append(slices.Clone(target), ip6.dropExpiredOn(s, ndTarget)...),
	}
}

// protocol goes on with packets of that EtherType.
func protocol(kind uint16) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, kind)},
	}
}

// octets goes on with packets that have these octets in their network header.
func octets(from uint32, want []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: from, Len: uint32(len(want))},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: want},
	}
}

// dropExpiredOn does the same for link-local addresses, in whose key the index of the
// interface is.
func (f family) dropExpiredOn(s side, from int16) []expr.Any {
	device := expr.MetaKeyOIF
	if s.name == ingress.name {
		device = expr.MetaKeyIIF
	}
	linkLocal := []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: uint32(from), Len: 2},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 2, Mask: []byte{0xff, 0xc0}, Xor: []byte{0, 0}},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{0xfe, 0x80}},
	}
	const second32 = unix.NFT_REG32_01 // the octets 4 to 7 of register 1
	rest := f.dropExpired(from)
	return slices.Concat(linkLocal, rest[:1], []expr.Any{&expr.Meta{Key: device, Register: second32}}, rest[1:])
}

// dropExpired drops packets with an address there that is held and not live.
func (f family) dropExpired(from int16) []expr.Any {
	size := uint32(16)
	if f.ip4 {
		size = 4
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: uint32(from), Len: size},
		&expr.Lookup{SourceRegister: 1, SetName: f.held.Name, SetID: f.held.ID},
		&expr.Lookup{SourceRegister: 1, SetName: f.live.Name, SetID: f.live.ID, Invert: true},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}
}
