package sim

import (
	"time"

	"vipd/services"
	"vipd/token"
	"vipd/vipd/node"
)

// Group is a service group of a plan. Its token comes after those of the vips.
type Group struct {
	Name        string
	Units       int
	Bits        token.Bits // of its token; with Allow Multiple every fit node runs it
	After, With []int      // groups
	Checked     bool       // it has a check
	Guarded     bool       // the keeper kills its units a second after the end of their lease
	Attempts    int        // local restarts within a minute
	Rise, Fall  int
	UnitTime    time.Duration // most that a unit takes to start or to stop
}

// Times of a group that no plan draws.
const (
	checkEvery  = 50 * time.Millisecond
	checkLimit  = 100 * time.Millisecond // a check that hangs fails then
	startGrace  = 200 * time.Millisecond
	stopTimeout = 300 * time.Millisecond
	within      = time.Minute
	keeperGrace = time.Second
	startAgain  = time.Second // a daemon that could not clear up is started again then
)

// All is how many tokens the plan has: vips, then groups.
func (p *Plan) All() int { return p.Tokens + len(p.Groups) }

// isGroup reports whether the token is that of a group.
func (w *World) isGroup(i int) bool { return i >= w.Plan.Tokens }

// GroupName returns the name of the group with that number.
func (w *World) GroupName(g int) string { return w.Plan.Groups[g].Name }

func (w *World) groupSpec(g int) token.Spec {
	name := "group:" + w.GroupName(g)
	return token.Spec{Name: name, ID: token.ID(name), Bits: w.Plan.Groups[g].Bits, StopBeforeRelease: true, Members: w.members(),
		Linger: w.Plan.Linger, FailbackDelay: w.Plan.FailbackDelay, FailbackCap: w.Plan.FailbackCap}
}

// services are the groups of the configuration without the token, or with another
// unit in the group, −1 for neither.
func (w *World) services(without, reshape int) node.Services {
	s := node.Services{Requires: map[string][]string{}}
	gone := without - w.Plan.Tokens
	for g, p := range w.Plan.Groups {
		if g == gone {
			continue
		}
		one := node.Group{Token: w.specs[w.Plan.Tokens+g].Name, Spec: services.Spec{Name: w.GroupName(g), StartGrace: startGrace,
			StopTimeout: stopTimeout, Restart: services.Allowance{Attempts: p.Attempts, Within: within}, Units: unitNames(w.GroupName(g), p.Units, g == reshape)}}
		if p.Checked {
			one.Spec.Checks = []services.Check{{Name: "probe", Rise: p.Rise, Fall: p.Fall}}
		}
		for _, other := range p.After {
			if other != gone {
				one.Spec.After = append(one.Spec.After, w.GroupName(other))
			}
		}
		for _, other := range p.With {
			if other != gone {
				one.With = append(one.With, w.specs[w.Plan.Tokens+other].Name)
			}
		}
		s.Groups = append(s.Groups, one)
	}
	for vip, list := range w.Plan.Requires {
		for _, g := range list {
			if g != gone {
				s.Requires[w.specs[vip].Name] = append(s.Requires[w.specs[vip].Name], w.GroupName(g))
			}
		}
	}
	return s
}

func unitNames(group string, n int, more bool) (list []string) {
	if more {
		n++
	}
	for u := range n {
		list = append(list, group+string(rune('a'+u)))
	}
	return list
}

// gang is what the kernel has of one group: its processes, and the keeper's row.
type gang struct {
	host    *Host
	number  int
	units   []process
	guarded bool
	until   int64 // world time at which the keeper kills it
	watchAt int64 // the keeper's next look, 0 if none is scheduled
	faults  groupFaults
}

// process is one unit in the kernel.
type process struct {
	here  bool // something of it is there
	alive bool // it runs: not only children that it left
	life  int
}

// groupFaults are what is wrong with the group on this host, each as often as
// faults say so.
type groupFaults struct {
	sick, hung, crash, failing, slow, stuck int
	crashAfter                              time.Duration
}

// none reports whether the group could run here.
func (f *groupFaults) none() bool {
	return f.sick+f.hung+f.crash+f.failing+f.slow+f.stuck == 0
}

func (h *Host) gangOf(i int) *gang { return &h.gangs[i-h.world.Plan.Tokens] }

func (g *gang) plan() *Group { return &g.host.world.Plan.Groups[g.number] }

func (g *gang) token() int { return g.host.world.Plan.Tokens + g.number }

func (g *gang) entry() *entry { return &g.host.kernel[g.token()] }

// left reports whether anything of the group is here.
func (g *gang) left() bool {
	for u := range g.units {
		if g.units[u].here {
			return true
		}
	}
	return false
}

// whole reports whether every configured unit runs.
func (g *gang) whole() bool {
	for u := range g.plan().Units {
		if !g.units[u].alive {
			return false
		}
	}
	return true
}

// spawn makes a unit's process. It may crash some time later.
func (g *gang) spawn(u int) {
	p := &g.units[u]
	p.here, p.alive = true, true
	p.life++
	if g.faults.crash > 0 {
		life := p.life
		g.host.world.At(g.host.world.Now+int64(g.faults.crashAfter), func() {
			if p.life == life {
				g.die(u)
			}
		})
	}
	g.look()
}

// die ends a unit's process, which may leave children. A daemon hears of it.
func (g *gang) die(u int) {
	p, h := &g.units[u], g.host
	if !p.alive {
		return
	}
	p.alive, p.here = false, h.world.random.chance(2)
	h.world.check.happened(deaths)
	h.world.check.observe(h, Ended{Group: g.number, Unit: u})
	if h.machine != nil {
		hand := h.crews[g.number].hand(u)
		order := hand.lived
		h.after(h.world.handsTime(), func() {
			h.step(services.Died{Group: g.number, Unit: u, Order: order, Text: "died"})
		})
	}
	g.look()
}

// clear leaves nothing of a unit.
func (g *gang) clear(u int) {
	p := &g.units[u]
	p.here, p.alive = false, false
	p.life++
	if !g.left() {
		g.guarded = false
	}
	g.look()
}

// end leaves nothing of the group, as a power cut does.
func (g *gang) end() {
	for u := range g.units {
		g.clear(u)
	}
}

// look has the checker look at the group on this host.
func (g *gang) look() {
	g.entry().up = g.left()
	g.host.world.check.answering(g.host, g.token())
}

// guard has the keeper watch the group from now on.
func (g *gang) guard() {
	if !g.plan().Guarded {
		return
	}
	if !g.guarded {
		g.guarded, g.until = true, 1<<62
	}
	g.renew()
}

// renew moves the keeper's expiry. One that was ended counts from now at the latest.
func (g *gang) renew() {
	if !g.guarded {
		return
	}
	h := g.host
	if until := g.entry().expiry; until != 0 {
		g.until = h.worldAt(until) + int64(keeperGrace)
	} else {
		g.until = min(g.until, h.world.Now+int64(keeperGrace))
	}
	g.watch()
}

func (g *gang) watch() {
	if at := max(g.until, g.host.world.Now); g.watchAt == 0 || at < g.watchAt {
		g.watchAt = at
		g.host.world.At(at, func() { g.keep(at) })
	}
}

// Ended says that a unit ended by itself, or that the keeper killed the group.
type Ended struct {
	Group, Unit int
	Killed      bool
}

// Units is how many units of the group run on the host.
func (h *Host) Units(g int) (n int) {
	for u := range h.gangs[g].units {
		if h.gangs[g].units[u].alive {
			n++
		}
	}
	return n
}

// GroupState is what the host's daemon says of the group.
func (h *Host) GroupState(g int) string {
	v := h.machine.Groups().Look(g)
	if v.Text == "" {
		return v.State.String()
	}
	return v.State.String() + " (" + v.Text + ")"
}

// keep is the keeper's look.
func (g *gang) keep(at int64) {
	w := g.host.world
	if at != g.watchAt {
		return // an earlier look has taken its place
	}
	g.watchAt = 0
	switch {
	case !g.guarded:
	case w.Now < g.until:
		g.watch()
	default:
		w.check.happened(kills)
		w.check.observe(g.host, Ended{Group: g.number, Killed: true})
		w.check.trace("%s: the keeper kills %s", g.host.Name, w.GroupName(g.number))
		for u := range g.units {
			if g.units[u].alive {
				g.die(u)
			}
			g.clear(u)
		}
	}
}
