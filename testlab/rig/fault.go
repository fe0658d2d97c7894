package rig

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Fault is something bad that befalls frames inside a switch, unseen by the hosts:
// their links stay up.
type Fault struct {
	From, To *Port   // the way of the frames; nil is any port
	Only     Traffic // which frames; zero is all
	PerMille int     // how many of a thousand, at random; zero is all
}

// Traffic selects frames. The zero value selects all of them.
type Traffic struct {
	ethernet uint16 // EtherType, 0: any
	protocol uint8  // of IP, 0: any
	first    uint8  // byte of the transport header at which [low, high] is compared
	low      []byte
	high     []byte
}

// ARP selects the Address Resolution Protocol.
func ARP() Traffic { return Traffic{ethernet: unix.ETH_P_ARP} }

// Ether selects frames of an EtherType.
func Ether(kind uint16) Traffic { return Traffic{ethernet: kind} }

// Neighbor selects IPv6 neighbour discovery: solicitations and advertisements.
func Neighbor() Traffic {
	const solicitation, advertisement = 135, 136
	return Traffic{protocol: unix.IPPROTO_ICMPV6, low: []byte{solicitation}, high: []byte{advertisement}}
}

// UDP selects datagrams, IPv4 and IPv6, to a port.
func UDP(port uint16) Traffic {
	p := binaryutil.BigEndian.PutUint16(port)
	return Traffic{protocol: unix.IPPROTO_UDP, first: 2, low: p, high: p}
}

// Drop loses the frames of a fault until undone.
func (sw *Switch) Drop(f Fault) (undo func()) {
	return sw.drop(f)
}

// drop loses the frames of all the faults from one moment on, and undoes it in one.
func (sw *Switch) drop(faults ...Fault) (undo func()) {
	var rules [][]expr.Any
	for _, f := range faults {
		rule := append(f.way(), f.condition()...)
		rules = append(rules, append(rule, &expr.Verdict{Kind: expr.VerdictDrop}))
	}
	hook := &nftables.Chain{Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter}
	return sw.install(nftables.TableFamilyBridge, hook, rules...)
}

// Duplicate makes the frames of a fault, whose From and To must be given, arrive twice.
func (sw *Switch) Duplicate(f Fault) (undo func()) {
	link, err := sw.space.handle.LinkByName(f.To.jack)
	if err != nil {
		f.To.broken("duplicate frames to", err)
	}
	rule := append(f.condition(),
		&expr.Immediate{Register: 1, Data: binaryutil.NativeEndian.PutUint32(uint32(link.Attrs().Index))},
		&expr.Dup{RegDev: 1, IsRegDevSet: true})
	hook := &nftables.Chain{
		Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
		Priority: nftables.ChainPriorityFilter, Device: f.From.jack,
	}
	return sw.install(nftables.TableFamilyNetdev, hook, rule)
}

// Cut silently parts this port from others, both ways at once, until undone.
func (p *Port) Cut(others ...*Port) (undo func()) {
	var faults []Fault
	for _, other := range others {
		faults = append(faults, Fault{From: p, To: other}, Fault{From: other, To: p})
	}
	return p.sw.drop(faults...)
}

// CutTo silently loses what this port sends to another, and not what it hears from it,
// until undone.
func (p *Port) CutTo(other *Port) (undo func()) { return p.sw.Drop(Fault{From: p, To: other}) }

// Isolate silently parts this port from every other, both ways, until undone.
func (p *Port) Isolate() (undo func()) {
	return p.sw.drop(Fault{From: p}, Fault{To: p})
}

func all(jobs []func()) func() {
	return func() {
		for _, job := range jobs {
			job()
		}
	}
}

// install puts rules into a table and chain of their own, so that doing and undoing
// them is one request each, and can be repeated.
func (sw *Switch) install(family nftables.TableFamily, hook *nftables.Chain, rules ...[]expr.Any) (undo func()) {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	sw.made++
	table := &nftables.Table{Family: family, Name: fmt.Sprintf("fault%d", sw.made)}
	hook.Name, hook.Table = "chain", table
	err := sw.filter(func(c *nftables.Conn) {
		c.AddTable(table)
		c.AddChain(hook)
		for _, rule := range rules {
			c.AddRule(&nftables.Rule{Table: table, Chain: hook, Exprs: rule})
		}
	})
	if err != nil {
		sw.lab.broken(fmt.Errorf("fault on switch %s: %w", sw.name, err))
	}
	sw.faults[table] = true
	return func() {
		sw.mu.Lock()
		defer sw.mu.Unlock()
		sw.remove(table)
	}
}

func (sw *Switch) heal() {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	for table := range sw.faults {
		sw.remove(table)
	}
}

// remove takes one fault away; that it is gone already is fine. sw.mu is held.
func (sw *Switch) remove(table *nftables.Table) {
	if !sw.faults[table] {
		return
	}
	delete(sw.faults, table)
	if err := sw.filter(func(c *nftables.Conn) { c.DelTable(table) }); err != nil {
		sw.lab.broken(fmt.Errorf("mend switch %s: %w", sw.name, err))
	}
}

// filter sends one batch of changes to the switch's packet filter.
func (sw *Switch) filter(change func(*nftables.Conn)) error {
	conn, err := nftables.New(nftables.WithNetNSFd(sw.space.network()))
	if err != nil {
		return err
	}
	change(conn)
	return conn.Flush()
}

// way matches the fault's ports.
func (f Fault) way() (exprs []expr.Any) {
	if f.From != nil {
		exprs = append(exprs, equal(&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, interfaceName(f.From.jack))...)
	}
	if f.To != nil {
		exprs = append(exprs, equal(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, interfaceName(f.To.jack))...)
	}
	return exprs
}

// condition matches the fault's traffic and its share of it.
func (f Fault) condition() (exprs []expr.Any) {
	only := f.Only
	if only.ethernet != 0 {
		exprs = append(exprs, equal(&expr.Meta{Key: expr.MetaKeyPROTOCOL, Register: 1},
			binaryutil.BigEndian.PutUint16(only.ethernet))...)
	}
	if only.protocol != 0 {
		exprs = append(exprs, equal(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, []byte{only.protocol})...)
		exprs = append(exprs,
			&expr.Payload{
				DestRegister: 1, Base: expr.PayloadBaseTransportHeader,
				Offset: uint32(only.first), Len: uint32(len(only.low)),
			},
			&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: only.low},
			&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: only.high})
	}
	if f.PerMille != 0 { // the random number is compared as bytes, so it is made big-endian
		exprs = append(exprs,
			&expr.Numgen{Register: 1, Modulus: 1000, Type: unix.NFT_NG_RANDOM},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
			&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(f.PerMille))})
	}
	return exprs
}

// equal loads something into register 1 and goes on only if it is value.
func equal(load expr.Any, value []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}}
}

// interfaceName is a name in the kernel's fixed width.
func interfaceName(name string) []byte {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return padded
}
