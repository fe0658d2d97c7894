package lease

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// programs is the layer BPF.
type programs struct {
	mu      sync.Mutex // never held by write
	table   *table
	filters filters
	in, out *ebpf.Program
	inID    ebpf.ProgramID
	outID   ebpf.ProgramID
	guards  map[int]*guarded
	groups  map[string]*group
	folder  string // of pins, if any
}

// guarded is an interface that carries our filters.
type guarded struct {
	name  string
	hooks []hook
}

// openPrograms adopts an earlier daemon's table or makes one, loads the
// programs over it, proves them, and puts them where earlier ones are, and on
// loopback.
func openPrograms(o Options) (enforcer, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("open netlink: %w", err)
	}
	p := &programs{
		filters: filters{handle}, guards: make(map[int]*guarded),
		groups: make(map[string]*group), folder: o.PinDir,
	}
	if err := p.open(o); err != nil {
		p.close(false)
		return nil, err
	}
	return p, nil
}

func (p *programs) open(o Options) error {
	installed, err := p.filters.all()
	if err != nil {
		return err
	}
	if p.table, err = openOrMake(installed, o); err != nil {
		return err
	}
	if err := p.load(); err != nil {
		return err
	}
	if err := p.prove(); err != nil {
		return err
	}
	if p.folder != "" {
		if err := p.table.pin(p.folder); err != nil {
			p.folder = "" // it is for a next daemon with fewer rights only
		}
	}
	for h := range installed {
		if err := p.guard(h.index); err != nil {
			return fmt.Errorf("replace programs on interface %d: %w", h.index, err)
		}
	}
	if err := p.guardLoopback(); err != nil {
		return err
	}
	return p.succeed()
}

// succeed takes over from an earlier daemon that had to use nftables.
func (p *programs) succeed() error {
	r, err := newRuleset()
	if err != nil {
		return nil // no nftables here, so none was used
	}
	found, err := r.read()
	if !found || err != nil {
		r.close(false)
		if !found {
			return nil
		}
		return err
	}
	for address, cell := range r.cells {
		mine, err := p.enter(address)
		if err != nil {
			r.close(false)
			return err
		}
		mine.Store(cell.Load())
	}
	for index := range r.interfaces {
		if err := p.guard(index); err != nil {
			r.close(false)
			return err
		}
	}
	return r.close(true)
}

// openOrMake returns the table to work on.
func openOrMake(installed map[hook]ebpf.ProgramID, o Options) (*table, error) {
	t, unread := adoptTable(installed, o.PinDir)
	if t != nil {
		return t, nil
	}
	t, err := newTable()
	if err != nil || unread == nil {
		return t, err
	}
	for _, address := range o.Addresses {
		if _, err := t.enter(addressKey(address)); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

// load loads the programs and notes their numbers.
func (p *programs) load() (err error) {
	if p.in, err = filterProgram(p.table, ingress); err != nil {
		return err
	}
	if p.out, err = filterProgram(p.table, egress); err != nil {
		return err
	}
	if p.inID, err = numberOf(p.in); err != nil {
		return err
	}
	p.outID, err = numberOf(p.out)
	return err
}

func numberOf(program *ebpf.Program) (ebpf.ProgramID, error) {
	info, err := program.Info()
	if err != nil {
		return 0, err
	}
	id, ok := info.ID()
	if !ok {
		return 0, errors.New("the kernel gives programs no number")
	}
	return id, nil
}

// prove shows on a made-up packet that what is loaded drops from the expiry on
// and not before: the kernel's clock for programs and ours are the same, which
// is not so inside a time namespace.
func (p *programs) prove() error {
	k := groupKey(0) // no group's
	place, err := p.table.enter(k)
	if err != nil {
		return err
	}
	defer p.table.forget(k)
	packet := make([]byte, etherHeader+icmp6Type)
	packet[etherType], packet[etherType+1] = typeIP6>>8, typeIP6&0xff
	copy(packet[etherHeader+ip6Source:], k[:])
	cell := p.table.cell(place.Slot)

	cell.Store(int64(bootNow()))
	verdict, err := p.out.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		return fmt.Errorf("try program: %w", err)
	}
	if int32(verdict) != drop {
		return errors.New("the kernel's clock for programs runs behind this process's")
	}
	until := bootNow().Add(time.Second)
	cell.Store(int64(until))
	verdict, err = p.out.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		return fmt.Errorf("try program: %w", err)
	}
	if int32(verdict) != pass && bootNow() < until {
		return errors.New("the kernel's clock for programs runs ahead of this process's")
	}
	return nil
}

func (p *programs) guardLoopback() error {
	lo, err := p.filters.netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	return p.guard(lo.Attrs().Index)
}

// guard attaches the programs to an interface, and to the one that a macvlan
// lies on: that answers for addresses of the macvlan too.
func (p *programs) guard(index int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
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

func (p *programs) adopted() (map[netip.Addr]*atomic.Int64, error) {
	left := make(map[netip.Addr]*atomic.Int64)
	err := p.table.each(func(k key, at place) {
		if address, ok := k.address(); ok {
			left[address] = p.table.cell(at.Slot)
		}
	})
	return left, err
}

func (p *programs) enter(address netip.Addr) (*atomic.Int64, error) {
	at, err := p.table.enter(addressKey(address))
	if err != nil {
		return nil, err
	}
	return p.table.cell(at.Slot), nil
}

func (p *programs) forget(address netip.Addr) error { return p.table.forget(addressKey(address)) }

func (p *programs) write(rs []Renewal) error { return store(rs) }

// audit asks the kernel for every filter that should be there.
func (p *programs) audit() (events []Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for index, g := range p.guards {
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

func (p *programs) close(clean bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	if clean {
		for _, g := range p.guards {
			for _, h := range g.hooks {
				errs = append(errs, p.filters.detach(h))
			}
		}
		unpin(p.folder)
	}
	for _, g := range p.groups {
		g.close()
	}
	p.in.Close()
	p.out.Close()
	if p.table != nil {
		p.table.close()
	}
	p.filters.netlink.Close()
	return errors.Join(errs...)
}
