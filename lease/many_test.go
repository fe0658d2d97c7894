package lease

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/host/boot"
	"vipd/testlab/rig"
)

// TestMany arms a thousand addresses of each family, adopts them and has them
// renewed in one go.
func TestMany(t *testing.T) {
	const each = 500
	for _, layer := range layers {
		t.Run(string(layer), func(t *testing.T) {
			owner, _ := pair(t)
			l := open(t, owner.Host(), Options{Prefer: layer})
			addresses := manyAddresses(each)
			for i := range each {
				addresses = append(addresses, netip.AddrFrom16([16]byte{0x20, 1, 13: 1, 14: byte(i >> 8), 15: byte(i)}))
			}
			if list, err := l.Arm(addresses, owner.Index()); err != nil || len(list) != len(addresses) {
				t.Fatalf("%d leases, %v", len(list), err)
			}
			l.Close()
			l = open(t, owner.Host(), Options{Prefer: layer})
			var rs []Renewal
			for _, x := range l.Adopted() {
				rs = append(rs, Renewal{x, boot.Now().Add(time.Hour)})
			}
			if len(rs) != 2*each {
				t.Fatalf("adopted %d", len(rs))
			}
			if err := l.Renew(rs); err != nil {
				t.Fatal(err)
			}
			if events := l.in.audit(); len(events) > 0 {
				t.Errorf("told %v", events)
			}
			for _, r := range rs[:20] {
				if !passes(t, owner, r.Lease.Address()) {
					t.Errorf("%s is blocked", r.Lease)
				}
			}
			if err := l.Disarm(slices.Collect(maps.Values(l.Adopted()))...); err != nil {
				t.Fatal(err)
			}
			l.Close()
			if l = open(t, owner.Host(), Options{Prefer: layer}); len(l.Adopted()) > 0 {
				t.Errorf("%d are armed after all were disarmed", len(l.Adopted()))
			}
		})
	}
}

// TestFull arms more than there is room for.
func TestFull(t *testing.T) {
	p := openBPF(t)
	_, err := p.enter(manyAddresses(slots + 1))
	if err == nil || !strings.Contains(err.Error(), "4096") {
		t.Errorf("%v", err)
	}
}

// TestWithoutRights has each layer refused, and says why.
func TestWithoutRights(t *testing.T) {
	owner, _ := pair(t)
	var l *Leases
	err := owner.Host().Do(func() (err error) {
		if err := dropRights(); err != nil {
			return err
		}
		l, err = Open(Options{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Layer() != None || !strings.Contains(l.Why(), "bpf: ") || !strings.Contains(l.Why(), "nftables: ") {
		t.Errorf("layer %s, because %s", l.Layer(), l.Why())
	}
	x := arm(t, l, shared4, owner.Index())
	renew(t, x, time.Hour)
	if err := x.Disarm(); err != nil {
		t.Error(err)
	}
	if err := l.Renew([]Renewal{{x, 0}}); !errors.Is(err, ErrDisarmed) {
		t.Errorf("renew a disarmed lease: %v", err)
	}
}

// TestTardy writes a renewal that was worked out long ago, as by a process that
// was frozen just before it spoke to the kernel.
func TestTardy(t *testing.T) {
	owner, _ := pair(t)
	rig.Need(t, rig.Netns)
	l := open(t, owner.Host(), Options{Prefer: Nftables})
	x := arm(t, l, shared4, owner.Index())
	renew(t, x, time.Hour)
	if !passes(t, owner, shared4) {
		t.Error("blocked before the expiry")
	}
	renew(t, x, -time.Second)
	if passes(t, owner, shared4) {
		t.Error("a renewal until long ago let it pass")
	}
}

// The kernel's sets have room for every lease from the start: one that has to grow while
// a transaction fills it refuses elements.
func TestSetsHaveRoom(t *testing.T) {
	owner, _ := pair(t)
	l := open(t, owner.Host(), Options{Prefer: Nftables})
	sets, err := l.in.(*ruleset).look.GetSets(newSets()[0].held.Table)
	if err != nil || len(sets) != 4 {
		t.Fatalf("%d sets, %v", len(sets), err)
	}
	for _, s := range sets {
		if s.Size < slots {
			t.Errorf("set %s has room for %d of %d leases", s.Name, s.Size, slots)
		}
	}
}
