package daemon

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/net/bpf"

	"vipd/heartbeat"
	"vipd/multicast"
	"vipd/multicast/ether"
	"vipd/vipd/config"
)

// The frames of heartbeats on the clients' network: an EtherType for local experiments
// (IEEE 802 section 9.2.4) and a group address that is locally administered.
const lanEtherType = 0x88b5

var lanGroup = [6]byte{0x03, 0x00, 0x76, 0x69, 0x70, 0x64}

// lanPath is one path over the clients' network: raw frames on an interface on which this
// host may have a shared address. It works without an address on the interface.
type lanPath struct {
	number int
	conn   atomic.Pointer[ether.Socket]
	name   string                 // of the interface. Of the goroutine that opens it
	known  [256]atomic.Uint64     // by slot: the hardware address that a peer's newest frame came from, and 1<<48
	shown  atomic.Pointer[string] // the name, for status
}

// lanPaths returns the paths that the ordinary ones leave numbers for.
func lanPaths(self config.Node) (list []*lanPath) {
	for number := len(self.Addresses); number < heartbeat.MaxPaths; number++ {
		list = append(list, &lanPath{number: number})
	}
	return list
}

// learn notes the hardware address of a peer, from a frame that opened with its key.
func (p *lanPath) learn(slot uint8, address [6]byte) {
	n := uint64(1) << 48
	for i, octet := range address {
		n |= uint64(octet) << (8 * i)
	}
	p.known[slot].Store(n)
}

// address returns the hardware address of the peer; ok is false if it is not known.
func (p *lanPath) address(slot uint8) (address [6]byte, ok bool) {
	n := p.known[slot].Load()
	for i := range address {
		address[i] = byte(n >> (8 * i))
	}
	return address, n != 0
}

// sendLAN sends the message over the clients' network: to the group, and to a peer whose
// hardware address is known by unicast as well, for a network may drop unknown groups. An
// answer goes to the peer alone.
func (o *outbox) sendLAN(s heartbeat.Send, m heartbeat.Message) {
	for _, p := range o.lans {
		conn, answer := p.conn.Load(), s.Kind == heartbeat.Reply
		if conn == nil || !s.LAN && !(answer && int(s.Path) == p.number) {
			continue
		}
		m.Path = uint8(p.number)
		o.plain = m.Append(o.plain[:0])
		direct := false
		for slot := range p.known {
			to, known := p.address(uint8(slot))
			if known && (s.To == 0 || int(s.To) == slot) {
				o.sealed = o.sealer.Seal(o.sealed[:0], o.plain)
				_ = conn.Send(o.sealed, to) // what is lost is asked for again
				direct = true
			}
		}
		if !answer || !direct {
			o.sealed = o.sealer.Seal(o.sealed[:0], o.plain)
			_ = conn.SendGroup(o.sealed)
		}
	}
}

// tendLANs keeps one path open on each interface on which this host may have a shared
// address, as far as there are numbers.
func (d *Daemon) tendLANs() { d.openLANs(d.clientInterfaces()) }

// openLANs keeps a path open on each of the interfaces, and closes the others.
func (d *Daemon) openLANs(wanted []int) {
	wanted = slices.Clone(wanted)
	for _, p := range d.lans {
		conn := p.conn.Load()
		if conn == nil {
			continue
		}
		if i := slices.Index(wanted, conn.Interface()); i >= 0 && !conn.Gone() {
			wanted = slices.Delete(wanted, i, i+1)
			continue
		}
		p.close(d.inlet)
	}
	for _, p := range d.lans {
		if len(wanted) > 0 && p.conn.Load() == nil {
			d.openLAN(p, wanted[0])
			wanted = wanted[1:]
		}
	}
	d.sayLANless(wanted)
}

// sayLANless says, once, on which interfaces heartbeats have no path over the clients'
// network. That is no alarm: a peer is heard by any one path.
func (d *Daemon) sayLANless(indexes []int) {
	var names []string
	for _, index := range indexes {
		if link := interfaceByIndex(index); link != nil {
			names = append(names, link.Name)
		}
	}
	text := strings.Join(names, ", ")
	if text != d.lanless && text != "" {
		d.log.Warn(fmt.Sprintf("heartbeats don't go over the clients' network on %s: a node has %d paths at most, its own addresses among them", text, heartbeat.MaxPaths))
	}
	d.lanless = text
}

// openLAN opens the path on the interface, or notes why it can't be opened.
func (d *Daemon) openLAN(p *lanPath, index int) {
	link := interfaceByIndex(index)
	if link == nil || len(link.HardwareAddr) != 6 {
		return // it carries no Ethernet frames
	}
	options := ether.Options{Interface: index, EtherType: lanEtherType, Group: lanGroup, ReceiveBuffer: queueSize}
	if filter := d.lanFilter.Load(); filter != nil {
		options.Filter = *filter
	}
	conn, err := ether.Open(options)
	if err == nil {
		p.name = link.Name
		p.shown.Store(&p.name)
		p.conn.Store(conn)
		if err = d.inlet.hearLAN(p, conn); err != nil {
			p.close(d.inlet)
		}
	}
	about := "lan " + link.Name
	if err == nil {
		d.alarms.Clear(about)
	} else if !d.alarms.Raised(about) {
		d.alarms.Warn(about, fmt.Sprintf("heartbeats can't go over the clients' network on %s: %v; trying on", link.Name, err))
	}
}

// close closes the socket, if there is one, and has the inlet forget it.
func (p *lanPath) close(in *inlet) {
	if conn := p.conn.Swap(nil); conn != nil {
		if in != nil {
			in.forget(p.number)
		}
		conn.Close()
		for i := range p.known {
			p.known[i].Store(0)
		}
	}
}

// setLANFilter has the sockets on the clients' network let through what the filter does.
func (d *Daemon) setLANFilter(filter []bpf.RawInstruction) {
	d.lanFilter.Store(&filter)
	for _, p := range d.lans {
		if conn := p.conn.Load(); conn != nil {
			if err := conn.SetFilter(filter); err != nil {
				d.log.Warn("the filter of a socket on the clients' network can't be set", "err", err)
			}
		}
	}
}

// reader is a socket that the inlet reads: a UDP socket or a packet socket.
var (
	_ reader = (*multicast.Socket)(nil)
	_ reader = (*ether.Socket)(nil)
)
