package lease

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"vipd/testlab/rig"
)

// sabotage is a way to take the layer away.
type sabotage struct {
	name  string
	layer Layer
	do    func(*rig.Port) error
}

func nft(p *rig.Port, do func(*nftables.Conn)) error {
	return p.Host().Do(func() error {
		c, err := nftables.New()
		if err != nil {
			return err
		}
		do(c)
		return c.Flush()
	})
}

var sabotages = []sabotage{
	{"filter deleted", BPF, func(p *rig.Port) error {
		return filters{p.Host().Handle()}.detach(hook{p.Index(), netlink.HANDLE_MIN_INGRESS})
	}},
	{"filter of loopback deleted", BPF, func(p *rig.Port) error {
		return filters{p.Host().Handle()}.detach(hook{1, netlink.HANDLE_MIN_EGRESS})
	}},
	{"qdisc deleted", BPF, func(p *rig.Port) error {
		return p.Host().Handle().QdiscDel(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: p.Index(), Parent: netlink.HANDLE_CLSACT, Handle: netlink.MakeHandle(0xffff, 0),
		}})
	}},
	{"ruleset flushed", Nftables, func(p *rig.Port) error { return nft(p, (*nftables.Conn).FlushRuleset) }},
	{"table flushed", Nftables, func(p *rig.Port) error {
		return nft(p, func(c *nftables.Conn) { c.FlushTable(newSets()[0].held.Table) })
	}},
	{"set flushed", Nftables, func(p *rig.Port) error {
		return nft(p, func(c *nftables.Conn) { c.FlushSet(newSets()[0].held) })
	}},
}

// TestFlushed takes the layer away while an expired address must not pass, and
// looks that it is back within a second, that this is told once, and that a
// valid lease is as valid as before.
func TestFlushed(t *testing.T) {
	for _, s := range sabotages {
		t.Run(string(s.layer)+", "+s.name, func(t *testing.T) {
			owner, _ := pair(t)
			l := open(t, owner.Host(), Options{Prefer: s.layer})
			arm(t, l, shared4, owner.Index())
			renew(t, arm(t, l, shared6, owner.Index()), time.Minute)
			ctx, stop := context.WithCancel(context.Background())
			events, ended := make(chan Event, 100), make(chan struct{})
			go func() { defer close(ended); l.Watch(ctx, func(e Event) { events <- e }) }()
			defer func() { stop(); <-ended }()
			if err := s.do(owner); err != nil {
				t.Fatal(err)
			}
			done := time.Now()
			select {
			case e := <-events:
				if e.Err != nil {
					t.Error(e)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("nothing was told")
			}
			if took := time.Since(done); took > time.Second {
				t.Errorf("noticed after %v", took)
			}
			if passes(t, owner, shared4) || !passes(t, owner, shared6) {
				t.Error("the leases are not in force again")
			}
		})
	}
}

// TestWatchIsQuiet looks that nothing is told when nothing happened but an
// interface that went away.
func TestWatchIsQuiet(t *testing.T) {
	for _, layer := range layers {
		t.Run(string(layer), func(t *testing.T) {
			owner, _ := pair(t)
			l := open(t, owner.Host(), Options{Prefer: layer})
			extra := addMacvlan(t, owner)
			arm(t, l, shared4, owner.Index(), extra.Attrs().Index)
			for range 3 {
				if events := l.in.audit(); len(events) > 0 {
					t.Errorf("told %v", events)
				}
			}
			if err := owner.Host().Handle().LinkDel(extra); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if events := l.in.audit(); len(events) > 0 {
					t.Errorf("told %v after an interface went away", events)
				}
			}
			if passes(t, owner, shared4) {
				t.Error("the other interface is not guarded any more")
			}
		})
	}
}

// TestGuard looks that an interface is guarded before anything is armed on it: who takes
// that away is noticed.
func TestGuard(t *testing.T) {
	for _, s := range sabotages {
		t.Run(string(s.layer)+", "+s.name, func(t *testing.T) {
			owner, _ := pair(t)
			l := open(t, owner.Host(), Options{Prefer: s.layer})
			if err := l.Guard(owner.Index()); err != nil {
				t.Fatal(err)
			}
			if events := l.in.audit(); len(events) > 0 {
				t.Fatalf("told %v of what was just put there", events)
			}
			if s.name == "set flushed" {
				return // it was empty
			}
			if err := s.do(owner); err != nil {
				t.Fatal(err)
			}
			if events := l.in.audit(); len(events) == 0 {
				t.Error("nobody noticed")
			}
			if err := l.Guard(12345); err == nil {
				t.Error("an interface that doesn't exist is guarded")
			}
		})
	}
}

// A failure is told once, and its end too: also when what could not be looked at turns out
// to be in place.
func TestWatchTellsWhenAFailureIsOver(t *testing.T) {
	failing := map[string]bool{}
	refused := errors.New("operation not permitted")
	for i, c := range []struct{ audited, want []Event }{
		{nil, nil},
		{[]Event{{"table", refused}, {"filter", nil}}, []Event{{"table", refused}, {"filter", nil}}},
		{[]Event{{"table", refused}}, nil},
		{nil, []Event{{"table", nil}}},
		{nil, nil},
		{[]Event{{"table", refused}}, []Event{{"table", refused}}},
		{[]Event{{"table", nil}}, []Event{{"table", nil}}},
		{nil, nil},
	} {
		if got := toTell(c.audited, failing); !slices.Equal(got, c.want) {
			t.Errorf("audit %d: told %v, want %v", i, got, c.want)
		}
	}
}
