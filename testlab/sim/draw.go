package sim

import (
	"time"

	"vipd/token"
)

// Draw makes the plan of a seed: the configuration as well as the faults,
// biased towards the instants at which something is about to be decided. Some plans
// have some of the extras too.
func Draw(seed uint64, on Extras) Plan {
	r := &random{seed}
	p := Plan{
		Seed: seed, Class: drawClass(r), Nodes: drawNodes(r), Tokens: pick(r, 1, 1, 2),
		Interval: pick(r, 50*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond), Tolerance: pick(r, 3, 3, 3, 2, 4),
		FailbackDelay: pick(r, 0, 0, 300*time.Millisecond), FailbackCap: pick(r, 10, 10, 0, 1),
		Askable: r.chance(2), StartWait: pick(r, 300*time.Millisecond, time.Second), StartSpread: r.upTo(pick(r, 0, 100*time.Millisecond, time.Second)),
		Foreign: !r.chance(4), ForeignAfter: r.upTo(100 * time.Millisecond),
		Duplicate: pick(r, 0, 0, 100), HandsFail: pick(r, 0, 0, 0, 0, 20), HandsTime: pick(r, 0, time.Millisecond, 5*time.Millisecond),
		DiskTime: pick(r, 0, 5*time.Millisecond, 30*time.Millisecond), Whole: r.chance(4),
	}
	p.Paths = pick(r, 1, 2)
	if p.Nodes > 3 {
		p.Paths = 1
	}
	for range p.Nodes {
		p.Priority = append(p.Priority, pick(r, 100, 100, 150, 200))
		p.Drift = append(p.Drift, pick[int64](r, 0, 0, 100_000, -100_000, 500))
	}
	for range p.Tokens {
		p.Bits = append(p.Bits, drawBits(r))
	}
	switch p.Class {
	case Storm:
		p.drawStorm(r)
	case Blinks:
		p.drawBlinks(r)
	case Errands:
		p.drawErrands(r)
	}
	if own := (&random{seed ^ groupSeed}); own.chance(3) {
		p.drawGroups(own)
	}
	if own := (&random{seed ^ crowdSeed}); p.Askable && own.chance(2) {
		p.drawCrowd(own)
	}
	if own := (&random{seed ^ pagesSeed}); own.chance(16) {
		p.drawPages(own)
	}
	if own := (&random{seed ^ replaySeed}); p.Class == Storm {
		p.drawReplays(own)
	}
	p.drawExtras(on)
	p.Follow = (&random{seed ^ followSeed}).chance(2)
	return p
}

// followSeed parts the chance of nodes that beat together from that of all else.
const followSeed = 0x666f6c6c6f77

// pagesSeed parts the chance of claims of several pages from that of all else.
const pagesSeed = 0x7061676573

// replaySeed parts the chance of recordings and lost disks from that of all else.
const replaySeed = 0x7265706c6179

// drawReplays has somebody replay what was recorded in a quarter of the plans, next to
// other faults as a rule, and disks be lost in a few.
func (p *Plan) drawReplays(r *random) {
	add := func(f Fault) {
		if f.At = p.Faults[r.below(len(p.Faults))].At + pick(r, 0, p.Dead(), p.Lease(), r.upTo(time.Second)); f.Kind == StateLost {
			f.At += r.upTo(time.Second)
		}
		f.A = r.below(p.Nodes)
		p.Faults = append(p.Faults, f)
	}
	if r.chance(12) {
		add(Fault{Kind: StateLost, For: pick(r, r.upTo(p.Dead()), r.upTo(time.Second)), Amount: r.below(lostStates)})
	}
	if r.chance(4) {
		for range 1 + r.below(3) {
			add(Fault{Kind: pick(r, Replay, Replay, ReplayOne), For: r.upTo(2 * time.Second), Amount: pick(r, 10, 100, 1000)})
		}
	}
}

// drawAttack restarts every node once more at the beginning, and then has each be sent what
// was recorded, until the last fault is over.
func (p *Plan) drawAttack(r *random) {
	begin, end := p.begin(), time.Duration(0)
	for i := range p.Faults {
		if f := &p.Faults[i]; f.Kind == StateLost && f.Amount == goneBack {
			f.Amount = unknown // a counter that went back may be told of by a recording too
		}
		p.Faults[i].At += begin
		end = max(end, p.Faults[i].At+p.Faults[i].For)
	}
	for a := range p.Nodes {
		p.Faults = append(p.Faults, Fault{Kind: Crash, A: a, B: (a + 1) % p.Nodes, At: begin - r.upTo(p.Dead()), For: r.upTo(p.Dead())},
			Fault{Kind: Replay, A: a, At: begin, For: end - begin, Amount: pick(r, 10, 100, 1000)})
	}
}

// drawPages draws so many more tokens that the claims of a node take several messages.
func (p *Plan) drawPages(r *random) {
	if len(p.Groups) > 0 {
		return
	}
	for range 20 + r.below(40) {
		p.Tokens++
		p.Bits = append(p.Bits, drawBits(r))
	}
}

// crowdSeed parts the chance of crowds from that of all else.
const crowdSeed = 0x63726f7764

// drawCrowd has few tokens speak for all, and draws some more of them, which nothing
// befalls that does not befall their host.
func (p *Plan) drawCrowd(r *random) {
	p.Crowded = true
	if len(p.Groups) > 0 {
		return
	}
	for range r.below(4) {
		p.Tokens++
		p.Bits = append(p.Bits, drawBits(r))
	}
}

func drawClass(r *random) Class {
	switch r.below(24) {
	case 0:
		return Blinks
	case 1:
		return Errands
	}
	return Storm
}

// drawNodes draws two nodes mostly: the pair is where silence means least.
func drawNodes(r *random) int {
	switch r.below(20) {
	case 0, 1, 2:
		return 3
	case 3:
		return 4
	case 4:
		return 5
	}
	return 2
}

// drawBits draws all combinations, the usual ones more often.
func drawBits(r *random) token.Bits {
	switch r.below(8) {
	case 0, 1, 2:
		return token.AutoFailback
	case 3, 4:
		return 0
	case 5:
		return token.DisableInheritance
	case 6:
		return token.AutoFailback | token.DisableInheritance
	}
	return token.Bits(r.below(8)) // with Allow Multiple
}

// drawStorm spreads the faults over three seconds, or over a minute in one of
// twenty plans; half of them fall next to an earlier one, at a distance of
// about D, L or I, where the deadlines lie.
func (p *Plan) drawStorm(r *random) {
	n, span := 3+r.below(6), 2*time.Second
	if r.chance(20) {
		n, span = 6+r.below(15), time.Minute
	}
	at := 500*time.Millisecond + p.StartSpread
	for i := range n {
		near := i > 0 && r.chance(2)
		when := at + r.upTo(span)
		if near {
			when = p.Faults[r.below(i)].At + pick(r, p.Dead(), p.Lease(), p.Interval, p.Interval*3/2, 0) + r.upTo(4*time.Millisecond) - 2*time.Millisecond
		}
		p.Faults = append(p.Faults, p.drawFault(r, max(when, at)))
	}
	if span == time.Minute {
		p.Faults[0].At = max(p.Faults[0].At, at+span) // the last, if no other is later
	}
}

func (p *Plan) drawFault(r *random, at time.Duration) Fault {
	f := Fault{At: at, Kind: FaultKind(r.below(int(GroupSick))), A: r.below(p.Nodes), Paths: 1<<p.Paths - 1}
	f.B = (f.A + 1 + r.below(p.Nodes-1)) % p.Nodes
	f.For = pick(r, r.upTo(2*p.Interval), r.upTo(2*p.Dead()), p.Dead()+r.upTo(10*time.Millisecond), r.upTo(1500*time.Millisecond))
	if r.chance(2) {
		f.Paths |= 1 << p.Paths // the clients' network too
	}
	switch f.Kind {
	case CutOne, CutBoth, CutTail:
		if r.chance(4) {
			f.Paths = 1 << r.below(p.Paths)
		}
		f.Amount = pick(r, 1, 5, 20, 100, 300)
	case Lossy:
		f.Amount = pick(r, 10, 50, 150)
	case Slow:
		f.Amount = pick(r, 1, 5, int(p.Interval/time.Millisecond)/2)
	case MuteCrash:
		f.For += muteFor(p, 3)
		f.Amount = 1 + r.below(3)
	case MoveTo, Reload, Unwanted:
		f.Amount = r.below(p.Tokens)
	case ClockStep:
		f.Amount = pick(r, -3000, -400, 700, 1500)
	}
	return f
}

// drawBlinks cuts everybody off from everybody three times.
func (p *Plan) drawBlinks(r *random) {
	p.HandsFail = 0
	for i := range p.Bits {
		p.Bits[i] &^= token.AutoFailback | token.AllowMultiple
	}
	at := p.begin()
	for range 3 {
		f := Fault{At: at + r.upTo(p.Interval), For: pick(r, time.Second, r.upTo(time.Second), p.Dead()+r.upTo(20*time.Millisecond)), Kind: CutAll, Paths: 1<<p.Paths - 1 | r.below(2)<<p.Paths}
		p.Faults = append(p.Faults, f)
		at = f.At + f.For + settle
	}
}

// drawErrands has the tokens moved about, each for a while.
func (p *Plan) drawErrands(r *random) {
	p.HandsFail = 0
	for i := range p.Bits {
		p.Bits[i] &^= token.AllowMultiple
	}
	at := p.begin()
	for range 3 {
		f := Fault{At: at + r.upTo(p.Interval), For: settle, Kind: MoveTo, A: r.below(p.Nodes), Amount: r.below(p.Tokens)}
		f.B = (f.A + 1 + r.below(p.Nodes-1)) % p.Nodes
		p.Faults = append(p.Faults, f)
		at = f.At + f.For + settle
	}
}

// begin is when a plan without trouble at its start has a holder.
func (p *Plan) begin() time.Duration {
	return p.StartSpread + p.StartWait + 2*p.Dead() + 500*time.Millisecond
}

// settle is how long a meeting of two holders, or a move, may take.
const settle = time.Second

// leading is how much longer than settle it may take who is alone to tell clients anew
// where the address is: once a second, by a clock that is slow.
const leading = 200 * time.Millisecond

// muteFor is how long a node's last n beats are lost before it is killed.
func muteFor(p *Plan, n int) time.Duration { return time.Duration(n) * p.Interval }
