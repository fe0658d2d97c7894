package sim

import "time"

// Shape is something of a plan that takes long to play.
type Shape uint8

// The shapes.
const (
	ThreeNodes Shape = iota
	ManyNodes        // four or five
	ManyTokens       // claims of several pages
	Long             // the last fault is over after seven seconds
	Minute           // after more than twenty
	Played           // on to the end, however early all is well
	shapes
)

// String returns the name used in counts.
func (s Shape) String() string {
	return [...]string{"three nodes", "four or five nodes", "claims of several pages", "longer than seven seconds", "longer than twenty", "played to the end"}[s]
}

// playedOf is of how many plans of the shape a run plays one: half of all plans would take
// nine tenths of its time.
var playedOf = [shapes]int{2, 4, 4, 2, 2, 4}

// has reports whether the plan is of the shape.
func (p *Plan) has(s Shape) bool {
	switch s {
	case ThreeNodes:
		return p.Nodes == 3
	case ManyNodes:
		return p.Nodes > 3
	case ManyTokens:
		return p.Tokens >= 20
	case Long:
		return p.lasts() > 7*time.Second
	case Minute:
		return p.lasts() > 20*time.Second
	}
	return p.Whole
}

// lasts is when the last fault is over.
func (p *Plan) lasts() (end time.Duration) {
	for i := range p.Faults {
		end = max(end, p.Faults[i].At+p.Faults[i].For)
	}
	return end
}

// sampleSeed parts the choice of the plans that are played from all other chances.
const sampleSeed = 0x73616d706c65

// Sampled reports whether a run of many schedules plays the plan: every one of those that
// are played quickly, and a few of each shape that is not. A seed that is named is always
// played.
func (p *Plan) Sampled() bool {
	r := &random{p.Seed ^ sampleSeed}
	for s := range shapes {
		if chosen := r.chance(playedOf[s]); !chosen && p.has(s) {
			return false
		}
	}
	return true
}
