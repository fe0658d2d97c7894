package sim

import (
	"time"

	"vipd/token"
)

// drawGroups draws up to three groups, which may come after each other, belong
// together, and be required by vips.
func (p *Plan) drawGroups(r *random) {
	for g := range 1 + r.below(3) {
		p.Groups = append(p.Groups, p.drawGroup(r, g))
	}
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
