package sharedip

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// The kernel's own clock does this: nobody in this process helps, and Run,
// which lives on, doesn't hinder.
func TestSilentOwnerLosesItsAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	w.runOnly()
	taken := time.Now()
	w.take("vip:front", 1)
	w.await("both addresses gone", func() bool { return len(w.addresses()) == 0 })
	if lived := time.Since(taken); lived < 2*time.Second {
		t.Errorf("the addresses lived only %v", lived)
	}
	if due := w.hands.nextDue(time.Now()); !due.IsZero() {
		t.Errorf("an announcement is still due at %v", due)
	}
	if err := w.hands.Renew(); !errors.Is(err, ErrExpired) {
		t.Errorf("Renew after the end: %v", err)
	}
	if got := w.addresses(); len(got) != 0 {
		t.Errorf("Renew after the end brought back %v", got)
	}
	if err := w.hands.Renew(); err != nil {
		t.Errorf("Renew with nothing held: %v", err)
	}
	w.take("vip:front", 2) // the owner may begin anew
}

func TestRenewedAddressesStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	w.take("vip:front", 1)
	last := time.Now()
	for end := last.Add(MinLifetime + time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		err := w.hands.Renew()
		if stalled := time.Since(last); stalled > 2*time.Second {
			t.Skipf("this machine stood still for %v, longer than the test can judge", stalled)
		}
		last = time.Now()
		if err != nil || len(w.addresses()) != 2 {
			t.Fatalf("Renew: %v; the node has %v", err, w.addresses())
		}
	}
}

func TestRenewPutsBack(t *testing.T) {
	w := newWorld(t, both...)
	w.take("vip:front", 1)
	w.removeByHand(vip4)
	if err := w.hands.Renew(); err != nil || !w.has(vip4) {
		t.Fatalf("%v; the node has %v", err, w.addresses())
	}
}

// An address put back lives no longer than the owner's last renewal allows.
func TestPutBackIsNoRenewal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, both...)
	w.runOnly()
	w.take("vip:front", 1)
	w.removeByHand(vip4)
	w.await("the address", func() bool { return w.has(vip4) })
	list, err := w.node.Handle().AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		if a.IP.Equal(vip4.Addr().AsSlice()) && a.ValidLft > int(MinLifetime/time.Second)-1 {
			t.Errorf("put back for %d s", a.ValidLft)
		}
	}
	w.await("the end of both", func() bool { return len(w.addresses()) == 0 })
}

// What a process left that was killed is found by the next one.
func TestAdopt(t *testing.T) {
	w := newWorld(t, both...)
	w.take("vip:front", 1)
	w.hands.Close()
	w.hands = w.open()
	if err := w.hands.Configure(both); err != nil {
		t.Fatal(err)
	}
	held, err := w.hands.Held()
	if err != nil || !slices.Equal(held["vip:front"], append(held["vip:front"][:0:0], vip4, vip6)) {
		t.Fatalf("Held: %v, %v", held, err)
	}
	if errs := w.hands.Check(); len(errs) != 0 {
		t.Errorf("Check takes our own addresses for someone else's: %v", errs)
	}
	w.take("vip:front", 2)
	w.drop("vip:front")
	if got := w.addresses(); len(got) != 0 {
		t.Errorf("after Drop the node has %v", got)
	}
}

// It is on another interface than today's configuration says.
func TestDropOfWhatAnEarlierProcessLeft(t *testing.T) {
	w := newWorld(t, Set{Token: "vip:front", Addresses: []Address{{vip4, "lo"}}})
	w.take("vip:front", 1)
	w.hands.Close()
	w.hands = w.open()
	if err := w.hands.Configure(both); err != nil {
		t.Fatal(err)
	}
	w.drop("vip:front")
	if got := w.addresses(); len(got) != 0 {
		t.Errorf("after Drop the node has %v", got)
	}
	if held, err := w.hands.Held(); err != nil || len(held) != 0 {
		t.Errorf("Held: %v, %v", held, err)
	}
}
