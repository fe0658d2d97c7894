package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"vipd/host/cgroup"
)

// Verdicts of a program on a control group.
const (
	refuse = 0
	allow  = 1
)

// endless is an expiry that does not come.
const endless = math.MaxInt64

// groupSides are the two ways of a group's packets.
var groupSides = []ebpf.AttachType{ebpf.AttachCGroupInetIngress, ebpf.AttachCGroupInetEgress}

// group is a control group whose packets need a lease.
type group struct {
	id      uint64
	folder  *os.File
	program *ebpf.Program // nil: an earlier daemon's is attached
	number  ebpf.ProgramID
	slot    uint32
}

func (g *group) close() {
	g.program.Close()
	g.folder.Close()
}

// groupKey is the key of the control group with that id.
func groupKey(id uint64) (k key) {
	k[0] = 0xff
	binary.BigEndian.PutUint64(k[8:], id)
	return k
}

// ArmCgroup prepares a lease for all IP traffic of the control group at path, a
// folder of a cgroup2 file system, and of the groups below: it is expired unless
// an earlier daemon's is adopted. Call it before a process starts there: a
// socket stays with the group that it was made in.
func (l *Leases) ArmCgroup(path string) (*Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.groups[path]; x != nil {
		return x, nil
	}
	p, ok := l.in.(*programs)
	if !ok {
		return nil, fmt.Errorf("arm %s: control groups need the layer bpf: %s", path, l.why)
	}
	cell, err := p.enterGroup(path)
	if err != nil {
		return nil, fmt.Errorf("arm %s: %w", path, err)
	}
	x := &Lease{leases: l, group: path, cell: cell}
	l.groups[path] = x
	return x, nil
}

func (p *programs) enterGroup(path string) (*atomic.Int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, err := openGroup(path)
	if err != nil {
		return nil, err
	}
	places, err := p.table.enter(groupKey(g.id))
	if err != nil {
		g.folder.Close()
		return nil, err
	}
	g.slot, g.number = places[0].Slot, ebpf.ProgramID(places[0].Program)
	if err := p.attachGroup(g); err != nil {
		p.table.forget(groupKey(g.id))
		g.close()
		return nil, err
	}
	p.groups[path] = g
	return p.table.cell(g.slot), nil
}

// openGroup opens the folder of a control group.
func openGroup(path string) (*group, error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	id, err := cgroup.Identify(int(folder.Fd()))
	if err != nil {
		folder.Close()
		return nil, err
	}
	return &group{id: id.Inode, folder: folder}, nil
}

// attachGroup attaches the group's program wherever it isn't.
func (p *programs) attachGroup(g *group) error {
	for _, side := range groupSides {
		on, err := g.attached(side)
		if err != nil {
			return err
		}
		if !on {
			if err := p.loadGroup(g); err != nil {
				return err
			}
			err = link.RawAttachProgram(link.RawAttachProgramOptions{
				Target: int(g.folder.Fd()), Program: g.program, Attach: side, Flags: unix.BPF_F_ALLOW_MULTI,
			})
			if err != nil {
				return fmt.Errorf("attach program: %w", err)
			}
		}
		if err := g.evict(side); err != nil {
			return err
		}
	}
	return nil
}

// evict detaches every other program of ours. One whose table was lost, with the
// interface that its filter was on, would drop the group's packets for ever.
func (g *group) evict(side ebpf.AttachType) error {
	found, err := link.QueryPrograms(link.QueryOptions{Target: int(g.folder.Fd()), Attach: side})
	if err != nil {
		return fmt.Errorf("list programs: %w", err)
	}
	for _, a := range found.Programs {
		if a.ID == g.number {
			continue
		}
		if err := g.evictOne(side, a.ID); err != nil {
			return fmt.Errorf("a lease that an earlier daemon left: %w", err)
		}
	}
	return nil
}

func (g *group) evictOne(side ebpf.AttachType, id ebpf.ProgramID) error {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return err
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil || info.Name != groupProgram {
		return err
	}
	return link.RawDetachProgram(link.RawDetachProgramOptions{Target: int(g.folder.Fd()), Program: p, Attach: side})
}

// groupProgram is the name of a group's program in the kernel.
const groupProgram = "vipd_lease_grp"

// attached says whether the group's program is there.
func (g *group) attached(side ebpf.AttachType) (bool, error) {
	if g.number == 0 {
		return false, nil
	}
	found, err := link.QueryPrograms(link.QueryOptions{Target: int(g.folder.Fd()), Attach: side})
	if err != nil {
		return false, fmt.Errorf("list programs: %w", err)
	}
	return slices.ContainsFunc(found.Programs, func(a link.AttachedProgram) bool { return a.ID == g.number }), nil
}

// loadGroup loads the program of one group, if this process has not, and notes
// its number for the next daemon. The slot is a constant in it.
func (p *programs) loadGroup(g *group) (err error) {
	if g.program != nil {
		return nil
	}
	g.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: groupProgram, Type: ebpf.CGroupSKB, License: "Dual BSD/GPL",
		Instructions: join(
			asm.Instructions{asm.LoadMapValue(asm.R9, p.table.expiries.FD(), g.slot*8)},
			compare("allow"),
			asm.Instructions{
				asm.Mov.Imm(asm.R0, refuse),
				asm.Return(),
				asm.Mov.Imm(asm.R0, allow).WithSymbol("allow"),
				asm.Return(),
			},
		),
	})
	if err != nil {
		return fmt.Errorf("load program: %w", err)
	}
	if g.number, err = numberOf(g.program); err != nil {
		return err
	}
	return p.table.note(groupKey(g.id), place{Slot: g.slot, Program: uint32(g.number)})
}

// forgetGroup detaches the group's program and frees its slot. If an earlier
// daemon attached it and this one may not open it, the lease becomes endless
// instead; it vanishes with the group.
func (p *programs) forgetGroup(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.groups[path]
	delete(p.groups, path)
	defer g.close()
	if g.program == nil {
		var err error
		if g.program, err = ebpf.NewProgramFromID(g.number); err != nil {
			p.table.cell(g.slot).Store(endless)
			return nil
		}
	}
	var errs []error
	for _, side := range groupSides {
		err := link.RawDetachProgram(link.RawDetachProgramOptions{
			Target: int(g.folder.Fd()), Program: g.program, Attach: side,
		})
		if err != nil && !errors.Is(err, unix.ENOENT) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, p.table.forget(groupKey(g.id)))...)
}

// auditGroup asks the kernel whether the group's program is attached.
func (p *programs) auditGroup(path string, g *group) []Event {
	if _, err := os.Stat(path); err != nil {
		return nil // the group is gone, and its processes with it
	}
	for _, side := range groupSides {
		on, err := g.attached(side)
		if err == nil && on {
			continue
		}
		if err == nil {
			err = p.attachGroup(g)
		}
		return []Event{{OfGroup + path, err}}
	}
	return nil
}
