package daemon

import (
	"encoding/binary"
	"maps"
	"net"
	"slices"

	"vipd/heartbeat"
	"vipd/host/boot"
	"vipd/vipd/node"
)

// tellMACs tells the peers this host's hardware addresses: of the paths, and of the
// interfaces on which it may have a shared address, in the order of the configuration.
// A peer that asks the clients' network whose the address is knows an answer by them.
func (d *Daemon) tellMACs() {
	var list []heartbeat.MAC
	add := func(kind heartbeat.MACKind, number int, i *net.Interface) {
		if i != nil && len(i.HardwareAddr) == 6 && len(list) < heartbeat.MaxMACs && number < 256 {
			list = append(list, heartbeat.MAC{Kind: kind, Index: uint8(number), Address: [6]byte(i.HardwareAddr)})
		}
	}
	for _, p := range d.paths {
		if conn := p.conn.Load(); conn != nil {
			add(heartbeat.PathMAC, p.number, interfaceByIndex(conn.Interface().Index))
		}
	}
	for number, index := range d.clientInterfaces() {
		add(heartbeat.ClientMAC, number, interfaceByIndex(index))
	}
	d.tell(node.Local{MACs: list})
}

// clientInterfaces are the interfaces on which this host may have a shared address, each
// once.
func (d *Daemon) clientInterfaces() (list []int) {
	if d.leased == nil {
		return nil
	}
	for _, set := range d.cluster().AddressSets() {
		places, err := d.leased.Where(set.Token)
		if err != nil {
			continue
		}
		for _, index := range slices.Sorted(maps.Values(places)) {
			if !slices.Contains(list, index) {
				list = append(list, index)
			}
		}
	}
	return list
}

// interfaceByIndex returns the interface as it is now, nil if it is not there.
func interfaceByIndex(index int) *net.Interface {
	i, err := net.InterfaceByIndex(index)
	if err != nil {
		return nil
	}
	return i
}

// bootName names the boot that this host is in, 0 if the kernel does not tell.
func bootName() uint64 {
	id := boot.This()
	return binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
}
