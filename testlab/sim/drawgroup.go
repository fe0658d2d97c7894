package sim

import (
	"time"

	"vipd/token"
)

// groupSeed parts the chance of groups from that of all else: the other two thirds
// of the plans are what they are without groups.
const groupSeed = 0x67726f757073

// drawGroups draws up to three groups, which may come after each other, belong
// together, and be required by vips; and what befalls them.
func (p *Plan) drawGroups(r *random) {
	for g := range 1 + r.below(3) {
		p.Groups = append(p.Groups, p.drawGroup(r, g))
	}
	p.aim(r)
	if p.Class != Storm {
		return // what depends on something else moves by itself
	}
	if n := len(p.Groups); n > 1 && r.chance(2) && !p.both(0) && !p.both(n-1) {
		p.Groups[n-1].With = []int{0}
		if r.chance(3) {
			p.Groups[0].With = []int{n - 1}
		}
	}
	for range p.Tokens {
		var needs []int
		if r.chance(2) {
			needs = append(needs, r.below(len(p.Groups)))
		}
		p.Requires = append(p.Requires, needs)
	}
	for range 1 + r.below(4) {
		p.Faults = append(p.Faults, p.drawGroupFault(r))
	}
}

// aim has half of what befalls single tokens befall those of groups.
func (p *Plan) aim(r *random) {
	for i := range p.Faults {
		if f := &p.Faults[i]; (f.Kind == MoveTo || f.Kind == Reload || f.Kind == Unwanted) && r.chance(2) {
			f.Amount = p.Tokens + r.below(len(p.Groups))
		}
	}
}

// drawGroupFault draws one next to another fault, mostly.
func (p *Plan) drawGroupFault(r *random) Fault {
	f := Fault{Kind: GroupSick + FaultKind(r.below(int(Reshape+1-GroupSick))), A: r.below(p.Nodes), Amount: r.below(len(p.Groups)), Lag: r.upTo(60 * time.Millisecond)}
	f.B = (f.A + 1 + r.below(p.Nodes-1)) % p.Nodes
	near := p.Faults[r.below(len(p.Faults))].At + pick(r, 0, p.Dead(), -p.Dead(), p.Interval) + r.upTo(20*time.Millisecond)
	f.At = max(pick(r, near, near, p.begin()+r.upTo(2*time.Second)), 500*time.Millisecond)
	f.For = pick(r, r.upTo(2*p.Dead()), r.upTo(500*time.Millisecond), r.upTo(1500*time.Millisecond))
	if f.Kind == CrashLoops && r.chance(6) {
		f.For = 10 * time.Second // so long that giving up must end it
	}
	return f
}

func (p *Plan) both(g int) bool { return p.Groups[g].Bits&token.AllowMultiple != 0 }

func (p *Plan) drawGroup(r *random, g int) Group {
	one := Group{Name: "g" + string(rune('0'+g)), Units: 1 + r.below(2), Checked: r.chance(2), Guarded: !r.chance(4), Attempts: r.below(3), Rise: 1 + r.below(2), Fall: 1 + r.below(3),
		UnitTime: pick(r, 0, 5*time.Millisecond, 30*time.Millisecond),
		Bits:     pick(r, token.AllowMultiple, token.DisableInheritance, token.DisableInheritance|token.AutoFailback, token.AutoFailback, 0)}
	if p.Class != Storm {
		one.Bits &= token.DisableInheritance
	}
	if g > 0 && r.chance(3) {
		one.After = []int{r.below(g)}
	}
	return one
}
