package rig

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// Switch is an Ethernet switch: a bridge in a namespace of its own, without spanning
// tree, without multicast snooping and without any address.
type Switch struct {
	name   string
	lab    *Lab
	space  *space
	bridge *netlink.Bridge

	mu     sync.Mutex
	jacks  map[string]string        // host and port name -> the switch's name for that cable
	faults map[*nftables.Table]bool // in force
	made   int                      // faults ever made, for their names
}

func newSwitch(lab *Lab, name string) (*Switch, error) {
	inside, err := newSpace(name)
	if err != nil {
		return nil, err
	}
	sw := &Switch{
		name: name, lab: lab, space: inside,
		jacks: make(map[string]string), faults: make(map[*nftables.Table]bool),
	}
	if err := sw.build(); err != nil {
		inside.close()
		return nil, err
	}
	return sw, nil
}

func (sw *Switch) build() error {
	for _, scope := range []string{"all", "default"} { // a switch says nothing of its own
		if err := sw.space.set("net/ipv6/conf/"+scope+"/disable_ipv6", "1"); err != nil {
			return err
		}
	}
	for _, family := range []string{"arptables", "iptables", "ip6tables"} { // nor has it a firewall for hosts
		err := sw.space.set("net/bridge/bridge-nf-call-"+family, "0")
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // where the kernel could ask one at all
			return err
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "bridge"
	snooping := false
	sw.bridge = &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := sw.space.handle.LinkAdd(sw.bridge); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	if err := sw.space.handle.LinkSetUp(sw.bridge); err != nil {
		return fmt.Errorf("set bridge up: %w", err)
	}
	return nil
}

// jack returns the switch's name for the cable of that host's port. It stays the same
// over power cuts, so that a fault on a cable outlives a reboot of its host.
func (sw *Switch) jack(host, port string) string {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	key := host + "/" + port
	if _, ok := sw.jacks[key]; !ok {
		sw.jacks[key] = fmt.Sprintf("p%d", len(sw.jacks)+1)
	}
	return sw.jacks[key]
}
