package daemon

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/vipd/control"
)

// Both hosts say the same of the token, and each the right thing of itself and
// of the other.
func TestStatusOfAPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(2 * time.Second)
		a, b := p.a.d.Status(), p.b.d.Status()
		ta, tb := tokenOf(a, front), tokenOf(b, front)
		if ta.State != "active" || tb.State != "standby" {
			t.Errorf("states %q and %q", ta.State, tb.State)
		}
		for _, s := range []control.TokenStatus{ta, tb} {
			if s.Holder != "hist-a" || !slices.Equal(s.Holders, []string{"hist-a"}) || s.Epoch != ta.Epoch || s.Note != "" || !s.Bits.AutoFailback ||
				!slices.Equal(s.Addresses, []string{"192.0.2.10"}) || len(s.Eligible) != 2 || !s.Eligible[0].Fit || s.Eligible[1].Priority != 100 {
				t.Errorf("token is %+v", s)
			}
			if *s.SinceMS < 1900 || *s.SinceMS > 2500 {
				t.Errorf("held since %v ms", *s.SinceMS)
			}
		}
		if n := b.Nodes[1]; n.Name != "hist-a" || n.State != control.NodeUp || n.Link != "fresh" || n.HeardAgeMS == nil || *n.HeardAgeMS > 50 || n.ConfigDigest != b.ConfigDigest {
			t.Errorf("hist-a as hist-b sees it: %+v", n)
		}
		if n := b.Nodes[1]; len(n.Paths) != 1 || !n.Paths[0].Up || n.Paths[0].Local != "192.0.2.12" || n.Paths[0].Remote != "192.0.2.11" || n.Paths[0].LossRatio != 0 {
			t.Errorf("path: %+v", n.Paths)
		}
		if n := a.Nodes[0]; !n.Self || n.HeardAgeMS != nil || len(a.Alarms) != 0 {
			t.Errorf("self: %+v, alarms %q", n, a.Alarms)
		}
	})
}

// A peer that is gone, one with another file, and a token that nobody holds are
// alarms, each until it is over.
func TestAlarms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.a.kill()
		time.Sleep(time.Second)
		s := p.b.d.Status()
		if s.Nodes[1].State != control.NodeSilent || s.Nodes[1].Link != "silent" || !strings.Contains(alarms(p.b), "hist-a is not heard") {
			t.Errorf("hist-a is %s; alarms: %s", s.Nodes[1].State, alarms(p.b))
		}
		if e := tokenOf(s, front).Eligible[0]; e.Fit || !slices.Equal(e.Reasons, []string{"not heard"}) {
			t.Errorf("hist-a: %+v", e)
		}
		p.a.hands.Set(front, false)
		p.a.write(strings.Replace(pairConfig, "priority = 200", "priority = 201", 1))
		p.a.boot()
		time.Sleep(time.Second)
		if text := alarms(p.b); !strings.Contains(text, "hist-a runs with another configuration") {
			t.Errorf("alarms: %s", text)
		}
		p.a.hup(pairConfig)
		p.settle()
		time.Sleep(time.Second)
		if text := alarms(p.b); text != "" {
			t.Errorf("alarms stay: %s", text)
		}
		for _, h := range []*host{p.a, p.b} {
			if _, err := h.d.Suspend(t.Context(), control.SuspendRequest{Node: h.name, Force: true}); err != nil {
				t.Fatal(err)
			}
		}
		if text := alarms(p.b); !strings.Contains(text, "nobody holds vip:front") {
			t.Errorf("alarms: %s", text)
		}
	})
}

// During a total cut each sees itself alone; for a moment after it both are seen.
func TestTwoHoldersAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.setCut(true)
		time.Sleep(2 * time.Second)
		for _, h := range []*host{p.a, p.b} {
			if s := tokenOf(h.d.Status(), front); !slices.Equal(s.Holders, []string{h.name}) || s.Note != "" {
				t.Errorf("%s sees %v, %q", h.name, s.Holders, s.Note)
			}
		}
		p.setCut(false)
		seen := 0
		for range 2000 {
			time.Sleep(50 * time.Microsecond)
			if s := tokenOf(p.a.d.Status(), front); s.Note == "2 holders (inherited)" && len(s.Holders) == 2 {
				seen++
			}
		}
		if seen == 0 {
			t.Error("two holders were never named")
		}
	})
}
