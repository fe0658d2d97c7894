package multicast

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func TestLinkDownAndUpKeepsTheGroup(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		hears(t, ca, cb.Group())

		b.Port("eth0").Down() // the cable
		b.Port("eth0").Up()
		hears(t, ca, cb.Group())

		must(t, b.Handle().LinkSetDown(b.link())) // the interface
		if err := cb.SendGroup([]byte("down")); err == nil {
			t.Error("sending on an interface that is down went well")
		} else if !Transient(err) {
			t.Errorf("on an interface that is down: %v is not transient", err)
		}
		must(t, b.Handle().LinkSetUp(b.link()))
		b.addAddr(f.of(b), f.bits) // IPv6 loses its addresses
		hears(t, ca, cb.Group())
		hears(t, cb, ca.Group())
	})
}

func TestAddressGoesAndReturns(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		ca, cb := a.open(f.path(a)), b.open(f.path(b))
		b.delAddr(f.of(b), f.bits)
		for range 3 {
			if err := cb.SendGroup([]byte("from nowhere")); err != nil && !Transient(err) {
				t.Errorf("group, without the address: %v is not transient", err)
			}
			if err := cb.Send([]byte("from nowhere"), f.at(a)); err != nil && !Transient(err) {
				t.Errorf("peer, without the address: %v is not transient", err)
			}
		}
		b.addAddr(f.of(b), f.bits)
		hears(t, ca, cb.Group())
		hears(t, cb, ca.Group())
		must(t, ca.Send([]byte("welcome back"), f.at(b)))
		expect(t, cb.Unicast(), "welcome back", f.at(a))
	})
}

func TestOpenWithoutTheAddressIsTransient(t *testing.T) {
	overBoth(t, func(t *testing.T, f family, a, b *host) {
		err := a.Do(func() error { _, err := Open(f.path(b)); return err })
		if !Transient(err) || !errors.Is(err, unix.EADDRNOTAVAIL) {
			t.Errorf("%v, want a transient EADDRNOTAVAIL", err)
		}
	})
}

func TestTransientErrors(t *testing.T) {
	a, b := newLAN(t)
	f := families[0]
	c := a.open(f.path(a))
	far := f.at(b)
	must(t, c.Send(nil, far))

	err := c.Send(make([]byte, MaxDatagram+1), far)
	if err == nil || Transient(err) {
		t.Errorf("too large a datagram: %v, want a lasting error", err)
	}
	if err := c.Send(nil, families[1].at(b)); err == nil || Transient(err) {
		t.Errorf("the other family: %v, want a lasting error", err)
	}
	elsewhere := netip.MustParseAddrPort("192.0.2.1:7000")
	if err := c.Send(nil, elsewhere); !Transient(err) || !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("no route: %v, want a transient ENETUNREACH", err)
	}
	must(t, a.Do(filterOutput))
	if err := c.Send(nil, far); !Transient(err) || !errors.Is(err, unix.EPERM) {
		t.Errorf("filtered: %v, want a transient EPERM", err)
	}
	if Transient(nil) || Transient(errors.New("another")) {
		t.Error("what is no error of the kernel is transient")
	}
}

// filterOutput drops whatever the host sends.
func filterOutput() error {
	nft, err := nftables.New()
	if err != nil {
		return err
	}
	table := nft.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "filter"})
	chain := nft.AddChain(&nftables.Chain{
		Table: table, Name: "output", Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
	})
	nft.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}})
	return nft.Flush()
}
