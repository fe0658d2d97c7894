package leasing

import (
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/host/boot"
	"vipd/lease"
	"vipd/sharedip"
	"vipd/testlab/rig"
	"vipd/token"
)

// What the kernel refuses to remove is off when it is not there, or silent until its
// lifetime ends; while it may answer it is not.
func TestDropWithoutRights(t *testing.T) {
	t.Parallel()
	for _, layer := range []lease.Layer{lease.BPF, lease.Nftables} {
		t.Run(string(layer), func(t *testing.T) {
			t.Parallel()
			lab := rig.Start(t)
			a := lab.Host("a")
			a.Plug(lab.Switch("lan"), "eth0", netip.MustParsePrefix("192.0.2.11/24"))
			d := leasedIn(t, a, layer)
			id := token.ID("vip:front")
			lost := []int{unix.CAP_NET_ADMIN, unix.CAP_SYS_ADMIN, unix.CAP_BPF}
			rig.Without(t, a, func() {
				if err := d.Take("vip:front", 257); !errors.Is(err, unix.EPERM) {
					t.Errorf("taken without the right: %v", err)
				}
				if err := d.Drop("vip:front"); err != nil {
					t.Errorf("nothing is there to remove: %v", err)
				}
			}, lost...)
			on := func() bool {
				held, err := d.Held()
				return err == nil && len(held["vip:front"]) == 1
			}
			within(t, a, func() error { return d.Take("vip:front", 257) })
			if !on() {
				t.Fatal("it is not on")
			}
			d.Write([]Expiry{{id, boot.Now().Add(time.Minute)}})
			rig.Without(t, a, func() {
				if err := d.Drop("vip:front"); err == nil {
					t.Error("it answers, and was said to be off")
				}
			}, lost...)
			within(t, a, func() error {
				d.Write([]Expiry{{id, 0}})
				return d.leases.Sync()
			})
			rig.Without(t, a, func() {
				if err := d.Drop("vip:front"); err != nil {
					t.Errorf("it is silent: %v", err)
				}
			}, lost...)
			if !on() || len(d.armed[id]) != 1 {
				t.Error("it is still there and must stay silenced")
			}
			within(t, a, func() error { return d.Drop("vip:front") })
			if on() || len(d.armed[id]) != 0 {
				t.Error("with the right it must go")
			}
		})
	}
}

// within runs f in the host.
func within(t testing.TB, h *rig.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatal(err)
	}
}

// leasedIn is the daemon's own in the host, with one token of one address.
func leasedIn(t testing.TB, h *rig.Host, layer lease.Layer) (d *LeasedAddresses) {
	t.Helper()
	lacks := ""
	within(t, h, func() error {
		leases, err := lease.Open(lease.Options{Prefer: layer})
		if err != nil {
			return err
		}
		t.Cleanup(func() { leases.Close() })
		if leases.Layer() != layer {
			lacks = leases.Why()
			return nil
		}
		d = NewLeasedAddresses(leases, Options{Length: time.Second, Log: slog.New(slog.DiscardHandler),
			RenewNow: func(id uint64) { d.Write([]Expiry{{id, boot.Now().Add(time.Minute)}}) }})
		d.AddressManager, err = sharedip.Open(sharedip.Options{Own: []netip.Addr{netip.MustParseAddr("192.0.2.11")}, Lifetime: Backstop,
			Owns: func(string, uint64) bool { return true }, Event: func(sharedip.Event) {}, Guard: d.Guard})
		if err != nil {
			return err
		}
		t.Cleanup(d.AddressManager.Close)
		return d.Configure([]sharedip.Set{{Token: "vip:front", Addresses: []sharedip.Address{{Prefix: netip.MustParsePrefix("192.0.2.10/24")}}}})
	})
	if lacks != "" {
		t.Skipf("needs the layer %s: %s", layer, lacks)
	}
	return d
}
