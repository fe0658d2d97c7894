package lease

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// slots is the most leases of one host, addresses and groups together. It is a
// power of two: the programs mask with slots - 1.
const slots = 4096

// Names of the maps. They change when the meaning of the contents does, so that
// a daemon never adopts what it would misread.
const (
	keysName     = "vipd_lease_key1"
	expiriesName = "vipd_lease_exp1"
)

// key says whose lease it is: an address, IPv4 in its v4-mapped form, or
// ff00::<id> for the control group with that id. That block of multicast is
// reserved (RFC 4291 section 2.7.1), so it is never a shared address.
type key [16]byte

func addressKey(addr netip.Addr) key { return addr.As16() }

// address is the key's, if it is not that of a group.
func (k key) address() (netip.Addr, bool) {
	return netip.AddrFrom16(k).Unmap(), k[0] != 0xff
}

// place is what the keys map holds for a key.
type place struct {
	Slot    uint32
	Program uint32 // attached to a group, by number; 0 for an address
}

// table is the two maps that all programs share: where the expiry of a key is,
// and the expiries. The second is one value of many words, since the kernel
// lets a program reach that without a call, and is mapped into our memory, so
// that a renewal is no system call either.
type table struct {
	keys     *ebpf.Map
	expiries *ebpf.Map
	memory   []byte
	taken    [slots]bool
}

func newTable() (*table, error) {
	keys, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: keysName, Type: ebpf.Hash, MaxEntries: slots,
		KeySize: uint32(unsafe.Sizeof(key{})), ValueSize: uint32(unsafe.Sizeof(place{})),
	})
	if err != nil {
		return nil, fmt.Errorf("make map of leases: %w", err)
	}
	expiries, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: expiriesName, Type: ebpf.Array, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE,
		KeySize: 4, ValueSize: slots * 8,
	})
	if err != nil {
		keys.Close()
		return nil, fmt.Errorf("make map of expiries: %w", err)
	}
	return openTable(keys, expiries)
}

// openTable takes the maps over, also when it fails.
func openTable(keys, expiries *ebpf.Map) (*table, error) {
	t := &table{keys: keys, expiries: expiries}
	var err error
	t.memory, err = unix.Mmap(expiries.FD(), 0, slots*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.close()
		return nil, fmt.Errorf("map expiries into memory: %w", err)
	}
	err = t.each(func(_ key, p place) { t.taken[p.Slot%slots] = true })
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// each calls f for every key in the table.
func (t *table) each(f func(key, place)) error {
	entries := t.keys.Iterate()
	var k key
	var p place
	for entries.Next(&k, &p) {
		f(k, p)
	}
	if err := entries.Err(); err != nil {
		return fmt.Errorf("read leases: %w", err)
	}
	return nil
}

// cell is where a slot's expiry is: boot-time nanoseconds, one aligned word.
func (t *table) cell(slot uint32) *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Pointer(&t.memory[slot%slots*8]))
}

// find returns where the key's expiry is.
func (t *table) find(k key) (p place, found bool, err error) {
	err = t.keys.Lookup(k, &p)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return p, false, nil
	}
	return p, err == nil, err
}

// enter gives the key a slot, expired, unless it has one.
func (t *table) enter(k key) (place, error) {
	p, found, err := t.find(k)
	if found || err != nil {
		return p, err
	}
	for i := range t.taken {
		if t.taken[i] {
			continue
		}
		p = place{Slot: uint32(i)}
		t.cell(p.Slot).Store(0)
		if err := t.keys.Put(k, p); err != nil {
			return p, err
		}
		t.taken[i] = true
		return p, nil
	}
	return p, fmt.Errorf("%d leases are the most", slots)
}

// forget removes the key. Its slot is expired first: a program that found the
// slot before must not see the next owner's expiry.
func (t *table) forget(k key) error {
	p, found, err := t.find(k)
	if !found || err != nil {
		return err
	}
	t.cell(p.Slot).Store(0)
	if err := t.keys.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	t.taken[p.Slot%slots] = false
	return nil
}

func (t *table) close() {
	if t.memory != nil {
		unix.Munmap(t.memory)
	}
	t.keys.Close()
	t.expiries.Close()
}
