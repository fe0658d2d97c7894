package rig

import (
	"fmt"
	"net"
	"slices"
	"sync"
)

// Lab is one laboratory: its switches and its hosts. What the kernel refuses while the
// lab is built or changed is no test's subject: it ends the test, or With's use.
type Lab struct {
	broken func(error) // does not return

	mu       sync.Mutex
	switches map[string]*Switch
	hosts    map[string]*Host
	owners   map[string]string // hardware address -> host name, kept over power cuts
}

// Start makes a laboratory for one test, which it skips where Need(t, Netns) would. It
// is taken down when the test ends.
func Start(t TB) *Lab {
	t.Helper()
	Need(t, Netns)
	lab := newLab(func(err error) { t.Helper(); t.Fatalf("laboratory: %v", err) })
	t.Cleanup(lab.close)
	return lab
}

// With makes a laboratory, gives it to use and takes it down after. It returns use's
// error, or what the kernel refused meanwhile. Enter must have been called before.
func With(use func(*Lab) error) (err error) {
	if err := admitted(); err != nil {
		return err
	}
	type breakage struct{ error }
	lab := newLab(func(err error) { panic(breakage{err}) })
	defer lab.close()
	defer func() {
		switch broken := recover().(type) {
		case nil:
		case breakage:
			err = fmt.Errorf("laboratory: %w", broken.error)
		default:
			panic(broken)
		}
	}()
	return use(lab)
}

func newLab(broken func(error)) *Lab {
	return &Lab{
		broken:   broken,
		switches: make(map[string]*Switch),
		hosts:    make(map[string]*Host),
		owners:   make(map[string]string),
	}
}

// Switch returns the switch with that name, a new one at first mention.
func (lab *Lab) Switch(name string) *Switch {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	if sw, ok := lab.switches[name]; ok {
		return sw
	}
	sw, err := newSwitch(lab, name)
	if err != nil {
		lab.broken(fmt.Errorf("make switch %s: %w", name, err))
	}
	lab.switches[name] = sw
	return sw
}

// Host returns the running host with that name; at first mention, and after Destroy, a
// freshly booted one without cables. Its ports get the same hardware addresses always.
func (lab *Lab) Host(name string) *Host {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	if h, ok := lab.hosts[name]; ok {
		return h
	}
	h, err := newHost(lab, name)
	if err != nil {
		lab.broken(fmt.Errorf("boot host %s: %w", name, err))
	}
	lab.hosts[name] = h
	return h
}

// Owner names the host whose port has, or had, this hardware address; empty if none.
func (lab *Lab) Owner(mac net.HardwareAddr) string {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	return lab.owners[mac.String()]
}

// Heal undoes every fault on every switch. Cables that are Down stay so.
func (lab *Lab) Heal() {
	for _, sw := range lab.allSwitches() {
		sw.heal()
	}
}

// has reports whether that boot of a host has not been cleared away yet.
func (lab *Lab) has(h *Host) bool {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	return lab.hosts[h.name] == h
}

// forget makes room for a host's next boot.
func (lab *Lab) forget(h *Host) {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	delete(lab.hosts, h.name)
}

// close ends everything that runs in the lab and leaves its networks to the kernel,
// which takes them down when nothing is in them any more.
func (lab *Lab) close() {
	for _, h := range lab.allHosts() {
		if h.die() {
			h.stop()
		}
		h.space.close()
	}
	for _, sw := range lab.allSwitches() {
		sw.space.close()
	}
}

func (lab *Lab) allSwitches() []*Switch {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	return sorted(lab.switches)
}

func (lab *Lab) allHosts() []*Host {
	lab.mu.Lock()
	defer lab.mu.Unlock()
	return sorted(lab.hosts)
}

// sorted returns the values of m in the order of their names.
func sorted[V any](m map[string]V) []V {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	values := make([]V, 0, len(m))
	for _, name := range names {
		values = append(values, m[name])
	}
	return values
}
