package pair

import (
	"context"
	"net/netip"
	"sync/atomic"

	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// Token is what vipd calls the right to the shared address.
const Token = "vip:front"

// Node is one of the pair: a host with its cards, the service clients ask for, and a
// daemon.
type Node struct {
	Daemon  *Daemon
	Service *rig.Port // of this boot
	Other   *rig.Port // on the redundancy cable, nil without one

	lab     *rig.Lab
	name    string
	onePath bool
	addrs   [2]netip.Prefix
	host    atomic.Pointer[rig.Host] // of this boot; nil without power
	wreck   *rig.Host                // what is left of the boot before; nil if nothing is
}

// newNode is a machine that is not switched on yet.
func newNode(lab *rig.Lab, program Program, name string, onePath bool, service, other string) *Node {
	return &Node{
		lab: lab, name: name, onePath: onePath,
		addrs:  [2]netip.Prefix{netip.MustParsePrefix(service), netip.MustParsePrefix(other)},
		Daemon: newDaemon(program, name),
	}
}

// Name is the host's name.
func (n *Node) Name() string { return n.name }

// Address is the host's own on the service LAN.
func (n *Node) Address() netip.Prefix { return n.addrs[0] }

// Host is the machine of this boot, nil without power.
func (n *Node) Host() *rig.Host { return n.host.Load() }

// Boot switches the machine on, with all that starts by itself. What runs already stays.
func (n *Node) Boot() error {
	if n.host.Load() == nil {
		if n.wreck != nil {
			n.wreck.Destroy()
		}
		host := n.lab.Host(n.name)
		n.Service = host.Plug(n.lab.Switch(serviceLAN), "eth0", n.addrs[0])
		if !n.onePath {
			n.Other = host.Plug(n.lab.Switch(redundancy), "eth1", n.addrs[1])
		}
		host.Respond(ServicePort)
		n.Daemon.moveTo(host)
		n.host.Store(host)
	}
	return n.Daemon.Start()
}

// CutPower ends the machine, whose wreck stays until the next Boot; without power already, nothing happens.
func (n *Node) CutPower() {
	host := n.host.Swap(nil)
	if host == nil {
		return
	}
	n.Daemon.GiveUp()
	host.CutPower()
	n.wreck = host
}

// Control speaks with the node's vipd; the host must have power.
func (n *Node) Control() *control.Client { return control.Dial(n.host.Load().Path(RunDir)) }

// Role is what the node's vipd says of itself and the address, or why it says nothing.
func (n *Node) Role(ctx context.Context) string {
	host := n.host.Load()
	switch {
	case host == nil:
		return "no power"
	case !n.Daemon.Running():
		return "no daemon"
	}
	status, err := control.Dial(host.Path(RunDir)).Status(ctx)
	if err != nil {
		return "starting"
	}
	for _, t := range status.Tokens {
		if t.Name == Token {
			return t.State
		}
	}
	return "no " + Token
}
