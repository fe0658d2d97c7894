package lease

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Where our filters are in an interface's list: first, and under a handle that
// nobody else would choose.
const (
	filterPriority = 1
	filterHandle   = 0x76697064 // "vipd"
)

// hook is one place where packets pass a filter.
type hook struct {
	index  int    // of the interface
	parent uint32 // ingress or egress of its clsact qdisc
}

// hooks are the places of an interface: both sides, but on loopback, where the
// two ends are one host, only what comes from the address.
func hooks(link netlink.Link) []hook {
	out := hook{link.Attrs().Index, netlink.HANDLE_MIN_EGRESS}
	if link.Attrs().EncapType == "loopback" {
		return []hook{out}
	}
	return []hook{{out.index, netlink.HANDLE_MIN_INGRESS}, out}
}

// filters puts programs on hooks and finds them there.
type filters struct {
	netlink *netlink.Handle
}

// attach makes program the filter of h, in the place of an earlier daemon's if
// there is one: the kernel exchanges them between two packets.
func (f filters) attach(h hook, program *ebpf.Program, name string) error {
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: h.index, Parent: netlink.HANDLE_CLSACT, Handle: netlink.MakeHandle(0xffff, 0),
	}}
	if err := f.netlink.QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add clsact qdisc: %w", err)
	}
	if err := f.netlink.FilterReplace(f.filter(h, program.FD(), name)); err != nil {
		return fmt.Errorf("attach %s: %w", name, err)
	}
	return nil
}

// detach removes the filter; the qdisc stays, others may use it by now.
func (f filters) detach(h hook) error {
	err := f.netlink.FilterDel(f.filter(h, -1, ""))
	if gone(err) {
		return nil
	}
	return err
}

// gone says that a filter, its qdisc or its interface does not exist.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EINVAL)
}

func (f filters) filter(h hook, fd int, name string) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: h.index, Parent: h.parent, Handle: filterHandle,
			Protocol: unix.ETH_P_ALL, Priority: filterPriority,
		},
		Fd: fd, Name: name, DirectAction: true,
	}
}

// attached returns the number of the program that is our filter at h, 0 when
// there is none.
func (f filters) attached(h hook) (ebpf.ProgramID, error) {
	link := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: h.index}}
	list, err := f.netlink.FilterList(link, h.parent)
	if gone(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("list filters of interface %d: %w", h.index, err)
	}
	for _, each := range list {
		b, ok := each.(*netlink.BpfFilter)
		if ok && b.Handle == filterHandle && b.Priority == filterPriority && b.DirectAction {
			return ebpf.ProgramID(b.Id), nil
		}
	}
	return 0, nil
}

// all returns every hook of this network namespace where a filter of ours is,
// with the number of its program.
func (f filters) all() (map[hook]ebpf.ProgramID, error) {
	links, err := f.netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	found := make(map[hook]ebpf.ProgramID)
	for _, link := range links {
		for _, h := range hooks(link) {
			id, err := f.attached(h)
			if err != nil {
				return nil, err
			}
			if id != 0 {
				found[h] = id
			}
		}
	}
	return found, nil
}
