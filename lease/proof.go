package lease

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"vipd/host/boot"
)

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
	places, err := p.table.enter(k)
	if err != nil {
		return err
	}
	defer p.table.forget(k)
	packet := make([]byte, etherHeader+icmp6Type)
	packet[etherType], packet[etherType+1] = typeIP6>>8, typeIP6&0xff
	copy(packet[etherHeader+ip6Source:], k[:])
	cell := p.table.cell(places[0].Slot)

	cell.Store(int64(boot.Now()))
	verdict, err := p.out.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		return fmt.Errorf("try program: %w", err)
	}
	if int32(verdict) != drop {
		return errors.New("the kernel's clock for programs runs behind this process's")
	}
	until := boot.Now().Add(time.Second)
	cell.Store(int64(until))
	verdict, err = p.out.Run(&ebpf.RunOptions{Data: packet})
	if err != nil {
		return fmt.Errorf("try program: %w", err)
	}
	if int32(verdict) != pass && boot.Now() < until {
		return errors.New("the kernel's clock for programs runs ahead of this process's")
	}
	return nil
}
