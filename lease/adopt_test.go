package lease

import (
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/testlab/rig"
)

const pins = "/sys/fs/bpf/vipd-test"

// TestAdopt leaves a valid and an expired lease behind and opens again, as a new
// daemon does after the old one was killed, on each layer after each.
func TestAdopt(t *testing.T) {
	for _, before := range layers {
		for _, after := range layers {
			t.Run(string(before)+" then "+string(after), func(t *testing.T) {
				owner, _ := pair(t)
				old := open(t, owner.Host(), Options{Prefer: before})
				valid, stale := arm(t, old, shared4, owner.Index()), arm(t, old, shared6, owner.Index())
				renew(t, valid, time.Minute)
				renew(t, stale, -time.Second)
				was := valid.Expiry()
				old.Close()
				known := Options{Prefer: after, Addresses: []netip.Addr{shared4, shared6}}
				l := open(t, owner.Host(), known)
				left := l.Adopted()
				if len(left) != 2 || left[shared4] == nil || left[shared6] == nil {
					t.Fatalf("adopted %v", left)
				}
				if before == after || after == BPF {
					checkKept(t, left[shared4], was)
				}
				if left[shared6].Expiry() > boot.Now() {
					t.Error("an expired lease is valid again")
				}
				if x := arm(t, l, shared6, owner.Index()); x != left[shared6] {
					t.Error("Arm made a second lease of an adopted one")
				}
				useBoth(t, l, owner)
				checkOneLayer(t, owner.Host(), after)
			})
		}
	}
}

// checkKept allows for what a layer rounds off.
func checkKept(t *testing.T, x *Lease, was clock.Instant) {
	t.Helper()
	if off := was.Sub(x.Expiry()); off < 0 || off > 50*time.Millisecond {
		t.Errorf("an adopted lease ends %v earlier than it did", off)
	}
}

// useBoth shows that neither adopted lease blocks a renewed one, and that both
// can be forgotten.
func useBoth(t *testing.T, l *Leases, owner *rig.Port) {
	t.Helper()
	for _, x := range l.Adopted() {
		renew(t, x, time.Hour)
		if !passes(t, owner, x.Address()) {
			t.Errorf("%s is blocked though its lease is valid", x)
		}
		if err := x.Expire(); err != nil {
			t.Error(err)
		}
		if passes(t, owner, x.Address()) {
			t.Errorf("%s passes though its lease has expired", x)
		}
		if err := x.Disarm(); err != nil {
			t.Error(err)
		}
		if !passes(t, owner, x.Address()) {
			t.Errorf("%s is blocked though it has no lease", x)
		}
	}
}

// passes says whether a frame from the address leaves the port: a drop there is
// told to the sender.
func passes(t *testing.T, p *rig.Port, address netip.Addr) bool {
	t.Helper()
	sender := listen(t, p, 0)
	defer sender.Close()
	packet := frame(typeIP6, ip6(address, other6, 17, make([]byte, 8)))
	if address.Is4() {
		packet = frame(typeIP4, ip4(address, other4, 0))
	}
	return send(t, sender, packet, 0)
}

// checkOneLayer looks that nothing is left of the other layer.
func checkOneLayer(t *testing.T, h *rig.Host, layer Layer) {
	t.Helper()
	found, err := filters{h.Handle()}.all()
	if err != nil {
		t.Error(err)
	}
	if (len(found) > 0) != (layer == BPF) {
		t.Errorf("%d filters with layer %s", len(found), layer)
	}
	err = h.Do(func() error {
		r, err := newRuleset()
		if err != nil {
			return err
		}
		defer r.close(false)
		table, err := r.read()
		if table != (layer == Nftables) {
			t.Errorf("a table is there: %v, with layer %s", table, layer)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNothingRemains opens, arms, disarms and closes.
func TestNothingRemains(t *testing.T) {
	for _, layer := range layers {
		t.Run(string(layer), func(t *testing.T) {
			owner, _ := pair(t)
			l := open(t, owner.Host(), Options{Prefer: layer, PinDir: pins})
			x := arm(t, l, shared4, owner.Index())
			renew(t, x, time.Hour)
			if err := x.Disarm(); err != nil {
				t.Error(err)
			}
			if err := x.leases.Renew([]Renewal{{x, boot.Now()}}); err == nil {
				t.Error("a disarmed lease was renewed")
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			checkOneLayer(t, owner.Host(), None)
		})
	}
}

// TestAdoptByPin finds the maps without opening programs by number.
func TestAdoptByPin(t *testing.T) {
	owner, _ := pair(t)
	rig.Need(t, rig.BPF)
	folder := owner.Host().Path(pins)
	old := open(t, owner.Host(), Options{Prefer: BPF, PinDir: folder})
	renew(t, arm(t, old, shared4, owner.Index()), time.Minute)
	was := old.Adopted()[shared4].Expiry()
	old.Close()
	if found, _ := filepath.Glob(folder + "/*"); len(found) != 2 {
		t.Fatalf("pins: %v", found)
	}
	table, err := adoptTable(map[hook]ebpf.ProgramID{{1, 1}: 1<<32 - 2}, folder)
	if err != nil && table == nil {
		t.Fatal(err)
	}
	defer table.close()
	p, found := table.places[addressKey(shared4)]
	if !found || table.cell(p.Slot).Load() != int64(was) {
		t.Errorf("found %v", found)
	}
	if err := table.pin(folder); err != nil {
		t.Errorf("pin what was adopted from there: %v", err)
	}
	if found, _ := filepath.Glob(folder + "/*"); len(found) != 2 {
		t.Errorf("pins left: %v", found)
	}
}

// TestAdoptWhenGone opens after an interface has gone that an earlier daemon's
// table was on.
func TestAdoptWhenGone(t *testing.T) {
	for _, after := range layers {
		t.Run(string(after), func(t *testing.T) {
			owner, _ := pair(t)
			extra := addMacvlan(t, owner)
			old := open(t, owner.Host(), Options{Prefer: Nftables})
			arm(t, old, shared4, owner.Index(), extra.Attrs().Index)
			old.Close()
			if err := owner.Host().Handle().LinkDel(extra); err != nil {
				t.Fatal(err)
			}
			l := open(t, owner.Host(), Options{Prefer: after})
			if l.Adopted()[shared4] == nil || passes(t, owner, shared4) {
				t.Error("the lease was not adopted")
			}
		})
	}
}
