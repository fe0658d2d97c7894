package faults

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// proveLimit is how long a move that is done waits for its proof.
const proveLimit = 150 * time.Millisecond

// gateway plugs a router into the clients' network, through which both nodes' default
// routes lead.
func (s *site) gateway() (port *rig.Port, address netip.Addr) {
	s.t.Helper()
	home := netip.MustParsePrefix("192.0.2.254/24")
	port = s.lab.Host("gateway").Plug(s.lab.Switch("service"), "eth0", home)
	for _, n := range []*node{s.a, s.b} {
		if err := n.host.Handle().RouteAdd(&netlink.Route{LinkIndex: n.lan.Index(), Gw: home.Addr().AsSlice()}); err != nil {
			s.t.Fatal(err)
		}
	}
	return port, home.Addr()
}

// proof is the node's proof of the address by that neighbour in its present tenure.
func (n *node) proof(by netip.Addr) (found control.Proof, ok bool) {
	n.site.t.Helper()
	t := n.token(front)
	for _, p := range t.Proved {
		if p.By == by.String() && p.Address == n.site.shared.String() && p.Epoch == t.Epoch {
			return p, true
		}
	}
	return found, false
}

// A move returns when the gateway was seen to know where the address is, though it hears
// nothing of the first announcements, and status says who proved it, and when.
func TestMoveReturnsWhenProved(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	gateway, by := s.gateway()
	s.start()
	s.eventually("the gateway proves hist-a", func() bool { _, ok := s.a.proof(by); return ok })
	heal := s.lab.Switch("service").Drop(rig.Fault{From: s.b.lan, To: gateway, Only: rig.ARP()})
	began := time.Now()
	go func() {
		for len(s.announced(s.b, began)) == 0 && time.Since(began) < limit {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(30 * time.Millisecond)
		heal()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := s.a.control().Move(ctx, control.MoveRequest{Token: front, To: "hist-b"}); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if _, ok := s.b.proof(by); !ok && took < proveLimit {
		t.Errorf("it returned after %v, not proved", took)
	}
	s.eventually("the gateway proves hist-b", func() bool { _, ok := s.b.proof(by); return ok })
	if p, _ := s.b.proof(by); p.At.Before(began) || p.TookMS == nil || *p.TookMS < 20 {
		t.Errorf("proved at %v, %v after the move began, in %v ms", p.At, p.At.Sub(began), p.TookMS)
	}
	s.audit(s.b)
	s.oneAnswered(s.began)
}

// announced lists a node's announcements since.
func (s *site) announced(n *node, since time.Time) (list []rig.Announcement) {
	for _, a := range s.witness.Announcements(since, time.Now()) {
		if a.Owner == n.name {
			list = append(list, a)
		}
	}
	return list
}

// A switch that gives a carrier and forwards nothing for 5 s more does not make the host
// behind it Active, though it ranks higher and is heard by the other network.
func TestPortThatForwardsLate(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	s.a.lan.Down()
	s.answers(s.b)
	lan := s.lab.Switch("service")
	in, out := lan.Drop(rig.Fault{To: s.a.lan}), lan.Drop(rig.Fault{From: s.a.lan})
	s.a.lan.Up()
	up := time.Now()
	time.Sleep(5 * time.Second)
	if holders := s.b.token(front).Holders; len(holders) != 1 || holders[0] != "hist-b" {
		t.Errorf("held by %v", holders)
	}
	if who := s.probe.Report(up, time.Now()).Datagrams.Who; len(who) != 1 || who[0] != "hist-b" {
		t.Errorf("answered by %v", who)
	}
	s.hardlyMissed(up)
	in()
	out()
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
}
