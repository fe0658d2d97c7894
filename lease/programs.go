package lease

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
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
		if err := p.guardLeft(h.index); err != nil {
			return err
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
	addresses := slices.Collect(maps.Keys(r.cells))
	mine, err := p.enter(addresses)
	if err != nil {
		r.close(false)
		return err
	}
	for i, address := range addresses {
		mine[i].Store(r.cells[address].Load())
	}
	for index := range r.interfaces {
		if err := p.guardLeft(index); err != nil {
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

func (p *programs) adopted() (map[netip.Addr]*atomic.Int64, error) {
	left := make(map[netip.Addr]*atomic.Int64)
	err := p.table.each(func(k key, at place) {
		if address, ok := k.address(); ok {
			left[address] = p.table.cell(at.Slot)
		}
	})
	return left, err
}

func (p *programs) enter(addresses []netip.Addr) (cells []*atomic.Int64, err error) {
	keys := make([]key, 0, len(addresses))
	for _, address := range addresses {
		keys = append(keys, addressKey(address))
	}
	places, err := p.table.enter(keys...)
	for _, at := range places {
		cells = append(cells, p.table.cell(at.Slot))
	}
	return cells, err
}

func (p *programs) forget(addresses []netip.Addr) error {
	var errs []error
	for _, address := range addresses {
		errs = append(errs, p.table.forget(addressKey(address)))
	}
	return errors.Join(errs...)
}

func (p *programs) write(rs []Renewal) error { return store(rs) }
func (p *programs) post(rs []Renewal) error  { return store(rs) }
func (p *programs) apply() error             { return nil }

func (p *programs) told(_ netip.Addr, stored clock.Instant) clock.Instant { return stored }

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
