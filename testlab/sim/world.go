package sim

import (
	"slices"
	"time"

	"vipd/heartbeat"
	"vipd/token"
	"vipd/vipd/node"
)

// World is everything: hosts, the links between them and what will happen.
type World struct {
	Now   int64 // ns since the beginning
	Plan  Plan
	Hosts []*Host

	specs  []token.Spec
	queue  queue
	random random
	links  [][][]link // from, to, path; the last is the LAN of the clients
	check  *checker

	recording bool // somebody replays in this plan
	mute      bool // but what is sent says nothing
	tape      []packet
	datagrams []datagram // not yet used
	thief     random

	proxies [][]uint8 // by token: hosts in whose place something answers
	twin    *twins    // nil: none

	Observe func(h *Host, what any) // told of every action and Announced, if not nil
}

// link is one direction of one path between two hosts.
type link struct {
	cut   int // how many faults cut it
	loss  int // of 1000
	delay time.Duration
}

// New returns the world of the plan, with every host running.
func New(p Plan) *World {
	w := &World{Plan: p, random: random{p.Seed ^ 0xa5a5a5a5}}
	w.check = newChecker(w)
	w.proxies = make([][]uint8, p.All())
	for i := range p.Nodes {
		w.Hosts = append(w.Hosts, w.newHost(i))
	}
	for i := range p.Tokens {
		w.specs = append(w.specs, w.spec(i))
	}
	for i := range p.Groups {
		w.specs = append(w.specs, w.groupSpec(i))
	}
	for i, h := range w.Hosts {
		h.file = w.planFile(i)
		h.unsynced = i < len(p.Unsynced) && p.Unsynced[i]
		h.hands.distrusted = make([]bool, p.All())
	}
	w.links = make([][][]link, p.Nodes)
	for i := range w.links {
		w.links[i] = make([][]link, p.Nodes)
		for j := range w.links[i] {
			w.links[i][j] = make([]link, p.Paths+1)
		}
	}
	w.thief = random{p.Seed ^ 0x7265706c6179}
	for _, f := range p.Faults {
		w.recording = w.recording || f.Kind == Replay || f.Kind == ReplayOne
	}
	for _, l := range p.Late {
		w.runLate(l)
	}
	for _, h := range w.Hosts {
		w.At(int64(p.StartSpread)*int64(h.Slot-1)/int64(max(p.Nodes-1, 1)), h.Start)
	}
	return w
}

func (w *World) newHost(i int) *Host {
	n := w.Plan.All()
	h := &Host{Slot: uint8(i + 1), Name: string(rune('a' + i)), world: w, ppm: w.Plan.Drift[i], boot: -int64(w.random.below(1e9)) - 1e9,
		wall: int64(i) * 1e6, alive: true, kernel: make([]entry, n), linkOff: make([]bool, n), disk: disk{records: make([]token.Record, n), halted: map[string]bool{}}}
	for i := range w.Plan.Groups {
		h.gangs = append(h.gangs, gang{host: h, number: i, units: make([]process, w.Plan.Groups[i].Units+1)})
	}
	return h
}

func (w *World) spec(i int) token.Spec {
	name := "vip:" + string(rune('p'+i))
	spec := token.Spec{Name: name, ID: token.ID(name), Bits: w.Plan.Bits[i], Probeable: w.Plan.Askable, Members: w.members(),
		FailbackDelay: w.Plan.FailbackDelay, FailbackCap: w.Plan.FailbackCap}
	if w.Plan.Crowded {
		spec.Network = 1
	}
	return spec
}

func (w *World) members() (list []token.Member) {
	for j, h := range w.Hosts {
		list = append(list, token.Member{Slot: h.Slot, Priority: w.Plan.Priority[j], Place: j})
	}
	return list
}

// TokenName returns the name of the token with that number.
func (w *World) TokenName(i int) string { return w.specs[i].Name }

func (w *World) others(slot uint8) []uint8 {
	var list []uint8
	for _, h := range w.Hosts {
		if h.Slot != slot {
			list = append(list, h.Slot)
		}
	}
	return list
}

// At runs f at the world time.
func (w *World) At(at int64, f func()) { w.queue.push(happening{at: at, kind: call, do: f}) }

// Run lets the world go on until the time; it stops early at a violation.
func (w *World) Run(until int64) {
	for w.check.violation == "" {
		at, ok := w.queue.next()
		if !ok || at > until {
			break
		}
		h := w.queue.pop()
		w.Now = max(w.Now, h.at)
		w.happen(h)
	}
	w.Now = max(w.Now, until)
}

func (w *World) happen(h happening) {
	switch h.kind {
	case call:
		h.do()
	case arrival:
		w.arrive(h)
	case tick:
		if h.life == h.host.life && h.host.Running() && h.at == h.host.wake && !h.host.busy { // else it ticks when it has caught up
			h.host.wake = 0
			h.host.step(node.Tick{})
		}
	case beat:
		if h.life == h.host.life && h.host.Running() {
			h.host.beat()
		}
	}
}

// send puts a message on the wire, on every path or on the one of an answer.
func (w *World) send(from *Host, s heartbeat.Send, d *datagram) {
	for _, to := range w.Hosts {
		if to == from || s.To != 0 && to.Slot != s.To {
			continue
		}
		for path := range w.Plan.Paths {
			if s.Kind == heartbeat.Reply && !s.AllPages && path != int(s.Path) {
				continue
			}
			w.transmit(d, to, path)
		}
		if lan := w.Plan.Paths; w.Plan.lans() > 0 && w.carries(from, to) && (s.LAN || s.Kind == heartbeat.Reply && int(s.Path) == lan) {
			w.transmit(d, to, lan)
		}
	}
}

// losesFrom reports whether any path from one host to the other loses some datagrams now.
func (w *World) losesFrom(from, to *Host) bool {
	return slices.ContainsFunc(w.links[from.Slot-1][to.Slot-1], func(l link) bool { return l.loss > 0 })
}

func (w *World) transmit(d *datagram, to *Host, path int) {
	from := d.from
	l := &w.links[from.Slot-1][to.Slot-1][path]
	if l.cut > 0 || l.loss > 0 && w.random.below(1000) < l.loss {
		return
	}
	copies := 1
	if w.Plan.Duplicate > 0 && w.random.below(1000) < w.Plan.Duplicate {
		copies = 2
	}
	from.sealed++
	p := packet{datagram: d, counter: from.sealed, path: uint8(path)}
	w.record(p)
	for i := range copies {
		delay := max(w.Plan.Delay, 20*time.Microsecond)
		if l.delay > 0 && !w.random.chance(3) {
			delay += w.random.upTo(l.delay)
		}
		if i > 0 {
			delay += w.random.upTo(2 * w.Plan.Interval) // a copy comes late, behind newer ones
		}
		w.queue.push(happening{at: w.Now + int64(delay), kind: arrival, host: to, packet: p})
	}
}

// arrive delivers unless the direction was cut meanwhile.
func (w *World) arrive(h happening) {
	if w.links[h.from.Slot-1][h.host.Slot-1][h.path].cut > 0 {
		return
	}
	h.arrived = h.at
	h.host.receive(h.packet)
}

// Cut blocks or unblocks one direction of the paths in the mask.
func (w *World) Cut(from, to int, paths int, on bool) {
	w.check.cut(from, to)
	for p := range w.links[from][to] {
		if paths&(1<<p) != 0 {
			if on {
				w.links[from][to][p].cut++
			} else {
				w.links[from][to][p].cut--
			}
		}
	}
	w.check.cut(from, to)
}

// open reports whether any path works in that direction.
func (w *World) open(from, to int) bool {
	for p := range w.Plan.Paths {
		if w.links[from][to][p].cut == 0 {
			return true
		}
	}
	return false
}

// strangers reports whether one of the two hears the other and has no proof, since it
// began, that it is no recording. Where it knew an earlier session of the other, be it in an
// earlier run, it is warned by a later one, proof or not; but by none that began before one
// which it has heard.
func (w *World) strangers(a, b int) bool {
	warned := func(from, to int) bool {
		h, o := w.Hosts[from], w.Hosts[to]
		if !w.open(from, to) || o.machine == nil {
			return true
		}
		p := o.machine.Beats().Peer(h.Slot)
		known := p.Start
		if p.Session == 0 {
			known = o.disk.starts[h.Slot]
		}
		later := h.start > known && h.start >= o.heardStarts[h.Slot]
		return p.Session == h.session || (p.Session != 0 || known != 0) && later
	}
	return !warned(a, b) || !warned(b, a)
}

// carries reports whether both have their links to the clients' network.
func (w *World) carries(a, b *Host) bool {
	return !slices.Contains(a.linkOff, true) && !slices.Contains(b.linkOff, true)
}

// lan reports whether frames of the clients' network pass between the two, both
// ways, for the token's resource.
func (w *World) lan(a, b *Host, i int) bool {
	last := w.Plan.Paths
	return w.links[a.Slot-1][b.Slot-1][last].cut == 0 && w.links[b.Slot-1][a.Slot-1][last].cut == 0 &&
		a.alive && b.alive && !a.linkOff[i] && !b.linkOff[i]
}

func (w *World) handsTime() time.Duration {
	return 50*time.Microsecond + w.random.upTo(w.Plan.HandsTime)
}

func (w *World) diskTime() time.Duration {
	return 100*time.Microsecond + w.random.upTo(w.Plan.DiskTime)
}
