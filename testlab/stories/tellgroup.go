package stories

import (
	"fmt"
	"strings"

	"vipd/services"
	"vipd/testlab/sim"
)

// service tells what is done to a group's units, and how the group does then.
func (t *teller) service(h *sim.Host, a services.Action) {
	switch a := a.(type) {
	case services.Start:
		t.say(h, "starts %s, epoch %s", t.unit(a.Group, a.Unit), epoch(a.Epoch))
	case services.Stop:
		t.say(h, "stops %s", t.unit(a.Group, a.Unit))
	case services.Failed:
		t.say(h, "gives up %s", t.world.GroupName(a.Group))
	case services.Changed:
		state := h.GroupState(a.Group)
		if k := key(h, a.Group); t.state[k] != state {
			t.state[k] = state
			t.say(h, "has %s %s", t.world.GroupName(a.Group), state)
		}
	}
}

// unit names a unit by its group and its place.
func (t *teller) unit(group, unit int) string {
	return fmt.Sprintf("%s/%c", t.world.GroupName(group), 'a'+unit)
}

// ended tells of a unit that ended by itself, or by the keeper.
func (t *teller) ended(h *sim.Host, e sim.Ended) {
	if e.Killed {
		t.say(h, "has %s killed by the keeper", t.world.GroupName(e.Group))
		return
	}
	t.say(h, "loses %s", t.unit(e.Group, e.Unit))
}

// endGroups tells where units run at last.
func (t *teller) endGroups() {
	for g := range t.story.Plan.Groups {
		var on []string
		for _, h := range t.world.Hosts {
			if n := h.Units(g); n > 0 {
				on = append(on, fmt.Sprintf("%s (%d) epoch %s", h.Name, n, epoch(h.Epoch(t.story.Plan.Tokens+g))))
			}
		}
		if on == nil {
			on = []string{"nowhere"}
		}
		t.lines = append(t.lines, fmt.Sprintf("end   group:%s: %s", t.world.GroupName(g), strings.Join(on, " and ")))
	}
}
