package lease

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"sync"
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
// reserved (RFC 4291 section 2.7.1), so it is never a shared address. A link-local
// address has the index of its interface in the octets 4 to 7, in the host's order: they
// are zero in the address itself (RFC 4291 section 2.5.6).
type key [16]byte

// zoneAt is where the interface's index is in the key of a link-local address.
const zoneAt = 4

func addressKey(addr netip.Addr) (k key) {
	k = addr.As16()
	if index, err := strconv.ParseUint(addr.Zone(), 10, 32); err == nil {
		binary.NativeEndian.PutUint32(k[zoneAt:], uint32(index))
	}
	return k
}

// address is the key's, if it is not that of a group.
func (k key) address() (netip.Addr, bool) {
	zone := ""
	if netip.AddrFrom16(k).IsLinkLocalUnicast() {
		if index := binary.NativeEndian.Uint32(k[zoneAt:]); index != 0 {
			zone = strconv.FormatUint(uint64(index), 10)
		}
		clear(k[zoneAt : zoneAt+4])
	}
	return netip.AddrFrom16(k).Unmap().WithZone(zone), k[0] != 0xff
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

	mu     sync.Mutex
	places map[key]place // what is in keys: nobody else writes there
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
	t := &table{keys: keys, expiries: expiries, places: make(map[key]place)}
	var err error
	t.memory, err = unix.Mmap(expiries.FD(), 0, slots*8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.close()
		return nil, fmt.Errorf("map expiries into memory: %w", err)
	}
	err = t.each(func(k key, p place) { t.places[k] = p })
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

// enter gives each key a slot, expired, unless it has one.
func (t *table) enter(keys ...key) ([]place, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := slices.DeleteFunc(slices.Clone(keys), func(k key) bool { _, known := t.places[k]; return known })
	if err := t.add(fresh); err != nil {
		return nil, err
	}
	list := make([]place, 0, len(keys))
	for _, k := range keys {
		list = append(list, t.places[k])
	}
	return list, nil
}

// add gives new keys slots, all in one call where the kernel has one for that.
func (t *table) add(keys []key) error {
	free, err := t.free(len(keys))
	if err != nil || len(keys) == 0 {
		return err
	}
	_, err = t.keys.BatchUpdate(keys, free, nil)
	if errors.Is(err, ebpf.ErrNotSupported) {
		err = nil
		for i, k := range keys {
			err = errors.Join(err, t.keys.Put(k, free[i]))
		}
	}
	for i, k := range keys {
		if err != nil {
			t.keys.Delete(k) // it may be there or not, and is not to be relied upon
			continue
		}
		t.places[k] = free[i]
	}
	return err
}

// free returns so many expired slots that nobody has.
func (t *table) free(count int) ([]place, error) {
	var taken [slots]bool
	for _, p := range t.places {
		taken[p.Slot%slots] = true
	}
	free := make([]place, 0, count)
	for i := 0; i < slots && len(free) < count; i++ {
		if !taken[i] {
			t.cell(uint32(i)).Store(0)
			free = append(free, place{Slot: uint32(i)})
		}
	}
	if len(free) < count {
		return nil, fmt.Errorf("%d leases are the most", slots)
	}
	return free, nil
}

// note has the table say which program is attached to a group.
func (t *table) note(k key, p place) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.places[k] = p
	return t.keys.Put(k, p)
}

// forget removes the key. Its slot is expired first: a program that found the
// slot before must not see the next owner's expiry.
func (t *table) forget(k key) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, found := t.places[k]
	if !found {
		return nil
	}
	t.cell(p.Slot).Store(0)
	if err := t.keys.Delete(k); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return err
	}
	delete(t.places, k)
	return nil
}

func (t *table) close() {
	if t.memory != nil {
		unix.Munmap(t.memory)
	}
	t.keys.Close()
	t.expiries.Close()
}
