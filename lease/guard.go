package lease

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
)

// guarded is an interface that carries our filters.
type guarded struct {
	name  string
	hooks []hook
}

func (p *programs) guardLoopback() error {
	lo, err := p.filters.netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	return p.guard(lo.Attrs().Index)
}

// guardLeft guards an interface that an earlier daemon guarded, if it still exists.
func (p *programs) guardLeft(index int) error {
	err := p.guard(index)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replace programs on interface %d: %w", index, err)
	}
	return nil
}

// guard attaches the programs to an interface, and to the one that a macvlan
// lies on: that answers for addresses of the macvlan too.
func (p *programs) guard(index int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.guards[index] != nil {
		return nil
	}
	link, err := p.filters.netlink.LinkByIndex(index)
	if err != nil {
		return err
	}
	if err := p.attach(link); err != nil {
		return err
	}
	if below := link.Attrs().ParentIndex; link.Type() == "macvlan" && below != 0 {
		if link, err = p.filters.netlink.LinkByIndex(below); err == nil {
			err = p.attach(link)
		}
	}
	return err
}

func (p *programs) attach(link netlink.Link) error {
	a := link.Attrs()
	if a.EncapType != "ether" && a.EncapType != "loopback" {
		return fmt.Errorf("%s is no Ethernet but %s", a.Name, a.EncapType)
	}
	g := &guarded{a.Name, hooks(link)}
	for _, h := range g.hooks {
		if err := p.attachTo(h); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	p.guards[a.Index] = g
	return nil
}

func (p *programs) attachTo(h hook) error {
	program, name, _ := p.at(h)
	return p.filters.attach(h, program, name)
}

// at is the program that belongs on h.
func (p *programs) at(h hook) (*ebpf.Program, string, ebpf.ProgramID) {
	if h.parent == netlink.HANDLE_MIN_INGRESS {
		return p.in, ingress.name, p.inID
	}
	return p.out, egress.name, p.outID
}

// audit asks the kernel for every filter that should be there.
func (p *programs) audit() (events []Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for index, g := range p.guards {
		if p.inPlace(g) {
			continue // so the interface is there too, and need not be asked for
		}
		if _, err := p.filters.netlink.LinkByIndex(index); err != nil {
			delete(p.guards, index) // the interface went away, and the address with it
			continue
		}
		for _, h := range g.hooks {
			events = append(events, p.auditHook(h, g.name)...)
		}
	}
	for path, g := range p.groups {
		events = append(events, p.auditGroup(path, g)...)
	}
	return events
}

// inPlace reports whether the kernel has every filter of the interface.
func (p *programs) inPlace(g *guarded) bool {
	for _, h := range g.hooks {
		_, _, want := p.at(h)
		if id, err := p.filters.attached(h); err != nil || id != want {
			return false
		}
	}
	return true
}

func (p *programs) auditHook(h hook, interfaceName string) []Event {
	_, name, want := p.at(h)
	id, err := p.filters.attached(h)
	if err == nil && id == want {
		return nil
	}
	if err == nil {
		err = p.attachTo(h)
	}
	return []Event{{"filter " + name + " of " + interfaceName, err}}
}
