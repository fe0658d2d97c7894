package rig_test

import (
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ndp"

	"vipd/testlab/rig"
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// watched makes two hosts and a witness of the address.
func watched(t *testing.T, address netip.Addr) (lab *rig.Lab, a, b *rig.Port, w *rig.Witness) {
	t.Helper()
	lab = rig.Start(t)
	sw, a, b := pair(lab)
	eye := lab.Host("witness").Plug(sw, "eth0",
		netip.MustParsePrefix("192.0.2.99/24"), netip.MustParsePrefix("2001:db8::99/64"))
	return lab, a, b, eye.Witness(address, 2*time.Millisecond)
}

// awaitOwners waits until the newest round was answered by exactly these.
func awaitOwners(t *testing.T, w *rig.Witness, since time.Time, owners ...string) {
	t.Helper()
	if awaitTrue(5*time.Second, func() bool {
		spans := w.Holders(since, time.Now())
		return len(spans) > 0 && slices.Equal(spans[len(spans)-1].Owners, owners)
	}) != 0 {
		t.Fatalf("owners %v were not seen: %v", owners, w.Holders(since, time.Now()))
	}
}

func TestWitnessSeesTwoOwners(t *testing.T) {
	for _, address := range []netip.Prefix{shared, shared6} {
		t.Run(address.Addr().String(), func(t *testing.T) {
			_, a, b, w := watched(t, address.Addr())
			begin := time.Now()
			awaitOwners(t, w, begin)
			own(t, a, address)
			awaitOwners(t, w, begin, "hist-a")
			if dual := w.Dual(begin, time.Now()); dual != 0 {
				t.Errorf("one owner, but two answered for %v", dual)
			}
			both := time.Now()
			own(t, b, address)
			awaitOwners(t, w, both, "hist-a", "hist-b")
			time.Sleep(100 * time.Millisecond)
			disown(t, a, address)
			alone := time.Now()
			awaitOwners(t, w, alone, "hist-b")
			if dual := w.Dual(both, alone); dual < 50*time.Millisecond || dual > alone.Sub(both) {
				t.Errorf("two answered for %v of %v", dual, alone.Sub(both))
			}
			if last := w.LastAsked("hist-a"); last.Before(both) || last.After(alone) {
				t.Errorf("the last ask that hist-a answered was sent %v before it went", alone.Sub(last))
			}
			if awaitTrue(5*time.Second, func() bool { return w.LastAsked("hist-b").After(alone) }) != 0 {
				t.Error("the other one has not answered since")
			}
			if !w.LastAsked("client").IsZero() {
				t.Error("a third one has answered")
			}
			if n := len(w.Announcements(begin, time.Now())); n != 0 {
				t.Errorf("%d announcements, but nobody announced", n)
			}
		})
	}
}

func TestWitnessSeesAnnouncements(t *testing.T) {
	tests := []struct {
		name     string
		address  netip.Addr
		announce func(*testing.T, *rig.Port)
	}{
		{"ARP request", shared.Addr(), func(t *testing.T, p *rig.Port) { announce(t, p, arp.OperationRequest) }},
		{"ARP reply", shared.Addr(), func(t *testing.T, p *rig.Port) { announce(t, p, arp.OperationReply) }},
		{"advertisement", shared6.Addr(), advertise},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, b, w := watched(t, tt.address)
			begin := time.Now()
			tt.announce(t, b)
			if awaitTrue(5*time.Second, func() bool { return len(w.Announcements(begin, time.Now())) > 0 }) != 0 {
				t.Fatal("not seen")
			}
			got := w.Announcements(begin, time.Now())
			if len(got) != 1 || got[0].Owner != "hist-b" {
				t.Errorf("saw %v", got)
			}
			for _, s := range w.Holders(begin, time.Now()) {
				if len(s.Owners) != 0 {
					t.Errorf("taken for an answer: %v", s)
				}
			}
		})
	}
}

// announce sends one gratuitous ARP from a port.
func announce(t *testing.T, p *rig.Port, form arp.Operation) {
	t.Helper()
	fromCard(t, p, func(card *net.Interface) error {
		client, err := arp.Dial(card)
		if err != nil {
			return err
		}
		defer client.Close()
		message, err := arp.NewPacket(form, p.MAC(), shared.Addr(), p.MAC(), shared.Addr())
		if err != nil {
			return err
		}
		return client.WriteTo(message, broadcast)
	})
}

// advertise sends one unsolicited neighbour advertisement from a port.
func advertise(t *testing.T, p *rig.Port) {
	t.Helper()
	fromCard(t, p, func(card *net.Interface) error {
		conn, _, err := ndp.Listen(card, ndp.Addr(address6B.Addr().String()))
		if err != nil {
			return err
		}
		defer conn.Close()
		return conn.WriteTo(&ndp.NeighborAdvertisement{
			Override: true, TargetAddress: shared6.Addr(),
			Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: p.MAC()}},
		}, nil, netip.IPv6LinkLocalAllNodes())
	})
}

// fromCard does something with a port's card, inside its host.
func fromCard(t *testing.T, p *rig.Port, do func(*net.Interface) error) {
	t.Helper()
	err := p.Host().Do(func() error {
		card, err := net.InterfaceByName(p.Name())
		if err != nil {
			return err
		}
		return do(card)
	})
	if err != nil {
		t.Fatal(err)
	}
}
