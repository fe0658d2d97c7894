package machines

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/machines/image"
	"vipd/testlab/rig"
)

// The groups start where they belong, the data server on both, the others on one, and
// go to each of the four places that the address and the historian can be at.
func TestGroups(t *testing.T) {
	t.Parallel()
	p := startPlant(t)
	servers := p.Runners(image.Mosquitto)
	p.runs(servers, A, B)
	for _, m := range []*Machine{p.a, p.b} {
		if g := m.group("dataserver"); g.State != "running" || g.Run != "both" {
			t.Errorf("%s has %+v", m.Name(), g)
		}
	}
	if g := p.a.group("historian"); !strings.HasPrefix(g.Contained, "cgroup lease") && !strings.HasPrefix(g.Contained, "keeper") {
		t.Errorf("the historian is contained by %q", g.Contained)
	}
	t.Log(p.a.Run("vipd", "status"))
	for _, c := range []struct{ front, history string }{{B, A}, {B, B}, {A, B}, {A, A}} {
		p.a.Run("vipd", "move", Front, "--to", c.front)
		p.a.Run("vipd", "group", "move", "historian", "--to", c.history)
		p.Answers(c.front)
		p.writes(c.history)
		p.runs(p.values, c.history)
		p.runs(servers, A, B)
	}
	p.audit()
}

// A data server that is killed, stopped by hand, or hangs on the machine that answers
// has the address on the other, and back when it serves again.
func TestDataServer(t *testing.T) {
	t.Parallel()
	p := startPlant(t)
	for _, c := range []struct {
		name string
		do   []string
	}{
		{"killed", []string{"systemctl", "kill", "--kill-whom=all", "--signal=SIGKILL", image.Mosquitto}},
		{"stopped", []string{"systemctl", "stop", image.Mosquitto}},
		{"hangs", []string{"systemctl", "kill", "--kill-whom=all", "--signal=SIGSTOP", image.Mosquitto}},
	} {
		p.Answers(A)
		began := time.Now()
		p.a.Run(c.do...)
		p.Eventually("the address left: "+c.name, func() bool {
			return slices.ContainsFunc(p.Witness.Holders(began, time.Now()), func(s rig.Span) bool { return slices.Contains(s.Owners, B) })
		})
		p.Eventually("it is back: "+c.name, func() bool { return p.a.Holds(Front) })
		t.Logf("%s: %v", c.name, p.a.group("dataserver").Text)
	}
	p.audit()
}
