package rig

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
)

// Host is a machine: a kernel's worth of network, a host name, a /run and a /sys of
// its own, and processes. It boots with loopback up and no cable.
type Host struct {
	name  string
	lab   *Lab
	space *space

	mu     sync.Mutex
	dead   bool
	ports  []*Port
	procs  []*Proc
	atExit []func() // what runs in this process on the host's behalf
}

func newHost(lab *Lab, name string) (*Host, error) {
	inside, err := newSpace(name)
	if err != nil {
		return nil, err
	}
	h := &Host{name: name, lab: lab, space: inside}
	// Addresses are usable at once (no duplicate address detection), and nobody on
	// these networks is a router to be asked for more.
	for _, scope := range []string{"all", "default"} {
		for _, setting := range []string{"accept_dad", "accept_ra", "router_solicitations"} {
			if err := inside.set("net/ipv6/conf/"+scope+"/"+setting, "0"); err != nil {
				inside.close()
				return nil, err
			}
		}
	}
	return h, nil
}

// Name is the host's name, which is also what its kernel calls itself.
func (h *Host) Name() string { return h.name }

// Handle speaks netlink with the host's kernel, from any goroutine.
func (h *Host) Handle() *netlink.Handle { return h.space.handle }

// Do runs job inside the host, on a thread of its own: sockets and netlink handles
// opened by it belong to the host for good. Goroutines that job starts are outside.
func (h *Host) Do(job func() error) error { return h.space.do(job) }

// Path is where this process finds a file of the host, in its /run for instance.
func (h *Host) Path(file string) string {
	return fmt.Sprintf("/proc/self/task/%d/root%s", h.space.tid, file)
}

// Shell is the command line by which an administrator of the machine, outside, opens a
// shell in the host; it is empty where the way can't be known.
func (h *Host) Shell() string {
	first, user := Outside()
	if first == 0 || !procIsOurs() {
		return ""
	}
	way := fmt.Sprintf("sudo nsenter -t %d -m -p", first)
	if user {
		way = fmt.Sprintf("nsenter -t %d -U --preserve-credentials -m -p", first)
	}
	return fmt.Sprintf("%s nsenter -t %d -m -n -u sh", way, h.space.tid)
}

// Set writes one of the host's kernel settings, such as "net/ipv4/ip_forward".
func (h *Host) Set(name, value string) {
	if err := h.space.set(name, value); err != nil {
		h.lab.broken(fmt.Errorf("host %s: set %s to %s: %w", h.name, name, value, err))
	}
}

// Plug lays a cable from a new network card, called name, to a switch, gives the card
// its addresses and returns when the link is up.
func (h *Host) Plug(sw *Switch, name string, addrs ...netip.Prefix) *Port {
	p := &Port{
		host: h, sw: sw, name: name, jack: sw.jack(h.name, name),
		mac: hardwareAddress(h.name, name), home: addrs,
	}
	if err := p.plug(); err != nil {
		h.lab.broken(fmt.Errorf("plug %s %s into %s: %w", h.name, name, sw.name, err))
	}
	h.lab.mu.Lock()
	h.lab.owners[p.mac.String()] = h.name
	h.lab.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ports = append(h.ports, p)
	return p
}

// Port returns the host's network card with that name, nil if there is none.
func (h *Host) Port(name string) *Port {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.ports, func(p *Port) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return h.ports[i]
}

// CutPower ends the host as far as anybody else can see. First no frame passes any
// more, in either direction and without the host noticing; then its processes are
// killed, so that no farewell of theirs or of their sockets gets out; then its cables
// are pulled. Its cards and its kernel state are left for Destroy: to take them down
// would keep the kernel busy that the others share with it.
func (h *Host) CutPower() {
	if !h.die() {
		return
	}
	var mend []func()
	for _, p := range h.ports {
		mend = append(mend, p.Isolate())
	}
	h.stop()
	for _, p := range h.ports {
		p.Down()
	}
	all(mend)()
}

// Destroy cuts the power and clears away what is left of the host. The lab's Host boots
// it again, empty.
func (h *Host) Destroy() {
	h.CutPower()
	if !h.lab.has(h) {
		return
	}
	for _, p := range h.ports {
		p.unplug()
	}
	h.space.close()
	h.lab.forget(h)
}

// die marks the host as without power, and says whether it had any. What CutPower and
// Destroy then read doesn't change any more.
func (h *Host) die() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	had := !h.dead
	h.dead = true
	return had
}

// stop ends everything that runs in the host or on its behalf.
func (h *Host) stop() {
	for _, p := range h.procs {
		p.Kill()
	}
	h.killAll()
	for _, end := range h.atExit {
		end()
	}
}

// owe registers what must end when the host's power is cut; false if it is already.
func (h *Host) owe(end func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return false
	}
	h.atExit = append(h.atExit, end)
	return true
}
