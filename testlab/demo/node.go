package demo

import (
	"context"
	"net/netip"
	"sync/atomic"

	"vipd/testlab/rig"
	"vipd/vipd/control"
)

const (
	serviceLAN = "service"
	redundancy = "redundancy"

	runDir = "/run/vipd" // the daemon's usual one: each host has a /run of its own
)

// node is one of the pair: a host with two cards, the service clients ask for, and a
// daemon.
type node struct {
	lab     *rig.Lab
	name    string
	addrs   [2]netip.Prefix
	host    atomic.Pointer[rig.Host] // of this boot; nil without power
	service *rig.Port
	daemon  *daemon
}

// newNode is a machine that is not switched on yet.
func newNode(lab *rig.Lab, exe, name, service, other string) *node {
	return &node{
		lab: lab, name: name,
		addrs:  [2]netip.Prefix{netip.MustParsePrefix(service), netip.MustParsePrefix(other)},
		daemon: newDaemon(exe, name),
	}
}

// boot switches the machine on, with all that starts by itself. What runs already stays.
func (n *node) boot() error {
	if n.host.Load() == nil {
		host := n.lab.Host(n.name)
		n.service = host.Plug(n.lab.Switch(serviceLAN), "eth0", n.addrs[0])
		host.Plug(n.lab.Switch(redundancy), "eth1", n.addrs[1])
		host.Respond(servicePort)
		n.daemon.moveTo(host)
		n.host.Store(host)
	}
	return n.daemon.start()
}

// cutPower ends the machine; without power already, nothing happens.
func (n *node) cutPower() {
	host := n.host.Swap(nil)
	if host == nil {
		return
	}
	n.daemon.giveUp()
	host.Destroy()
}

// control speaks with the node's daemon; the host must have power.
func (n *node) control() *control.Client { return control.Dial(n.host.Load().Path(runDir)) }

// role is what the node's daemon says of itself and the address, or why it says nothing.
func (n *node) role(ctx context.Context) string {
	host := n.host.Load()
	switch {
	case host == nil:
		return "no power"
	case !n.daemon.running():
		return "no daemon"
	}
	status, err := control.Dial(host.Path(runDir)).Status(ctx)
	if err != nil {
		return "starting"
	}
	for _, t := range status.Tokens {
		if t.Name == token {
			return t.State
		}
	}
	return "no " + token
}
