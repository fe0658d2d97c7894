package sim

import (
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
	"vipd/vipd/node"
)

// Host is one machine: a kernel that may answer on addresses, a disk, and a
// daemon that may be running, frozen or dead.
type Host struct {
	Slot  uint8
	Name  string
	world *World
	ppm   int64 // how fast its clock runs
	boot  int64 // world time of its boot: its boot clock began at 0
	wall  int64 // how far its wall clock is ahead of the world

	alive    bool // the machine has power
	machine  *node.Machine
	sender   *node.Sender
	session  uint64
	start    uint64              // of the session
	sealed   uint64              // counts what was sealed in the session
	opened   stampSet            // what was opened in this life: copies of it are refused
	life     int                 // counts starts of the daemon
	begun    int64               // when the newest began, world time
	thawedAt int64               // when it was frozen last, world time
	sounds   [maxNodes + 1]sound // by slot of the peer, in this life
	// the greatest start that was heard of each peer, by slot, in this life
	heardStarts [maxNodes + 1]uint64
	frozen      bool
	socket      []packet // what arrived while frozen
	late        []func() // what the hands would have done while frozen
	wake        int64    // newest tick scheduled
	Steps       int
	ticks       int // of them those that its machine asked for

	kernel   []entry // by token
	linkOff  []bool
	disk     disk
	diskAt   int64 // world time at which it has written all reservations
	clumsy   bool  // its hands fail
	unsynced bool  // its kernel does not call its clock synchronised
	told     told  // the time of day, to the daemon
	diskFull bool  // its disk has refused to keep something
	file     file
	hands    handFaults
	sick     bool     // a soft reason
	busy     bool     // its loop is late; the thread that sends is not
	lateAt   int64    // newest world time at which it was late, of those in the plan
	waiting  []func() // what its loop has not done yet

	gangs []gang // by group
	crews []crew // the daemon's, by group
}

func (h *Host) lacks(i int) bool { return h.file.without == i }

// entry is one token's address in the kernel.
type entry struct {
	up     bool
	epoch  uint64        // of the newest grant, as the next daemon of this boot finds it
	expiry clock.Instant // by which the kernel silences it
	page   clock.Instant // the same, as the next daemon finds it
	since  clock.Instant
	pinned bool
	alone  uint8 // peers, by slot, that were late when its daemon was killed and no peer bound the lease
}

// disk survives the daemon, and the host's reboot.
type disk struct {
	highWater uint64
	timed     bool // as of the high water
	suspended bool
	records   []token.Record
	broken    bool
	halted    map[string]bool      // tokens whose group an operator stopped
	start     uint64               // of the newest session
	starts    [maxNodes + 1]uint64 // the greatest that each peer has proved
}

// now is the host's boot clock.
func (h *Host) now() clock.Instant {
	t := h.world.Now - h.boot
	return clock.Instant(t + t*h.ppm/1e6)
}

// worldAt is when the host's boot clock will show i.
func (h *Host) worldAt(i clock.Instant) int64 {
	if i > clock.Instant(1<<60) {
		return 1 << 62
	}
	return h.boot + int64(i)*1e6/(1e6+h.ppm) + 1
}

func (h *Host) wallNow() clock.Wall { return h.wallAt(h.world.Now) }

// wallAt is what the host's wall clock shows at the world time.
func (h *Host) wallAt(at int64) clock.Wall { return clock.Wall(worldBegins + at + h.wall) }

// worldBegins is the time of day at which the world does: some day after 2026 began, from
// which the floor of epochs counts.
const worldBegins = 1_790_000_000 * int64(time.Second)

// tellTime tells the daemon the time of day, as it looks every ten seconds.
func (h *Host) tellTime() {
	if h.world.Plan.Clocked {
		h.told.floor, h.told.at = node.Floor(h.wallNow()), h.now()
		h.step(node.Synced{On: !h.unsynced, Wall: h.wallNow()})
		h.after(10*time.Second, h.tellTime)
	}
}

// Epoch returns the epoch of the lease that the kernel has for the token.
func (h *Host) Epoch(i int) uint64 { return h.kernel[i].epoch }

// Running reports whether the daemon runs and is not frozen.
func (h *Host) Running() bool { return h.alive && h.machine != nil && !h.frozen }

// Start starts the daemon: it adopts what the kernel still holds under a lease
// that lasts, removes the rest, and recalls the disk.
func (h *Host) Start() {
	if !h.alive || h.machine != nil {
		return
	}
	w := h.world
	h.life++
	start := node.Boot(h.now(), max(w.Plan.Lease(), node.Grace), h.found(), h.kept())
	if !h.cleared(start) {
		w.At(w.Now+int64(startAgain), func() { w.check.disturb(); h.Start() })
		return
	}
	h.file.without, h.file.reshape = -1, -1
	h.frozen, h.busy, h.waiting, h.diskAt = false, false, nil, 0
	h.heardStarts = [maxNodes + 1]uint64{}
	h.session, h.sealed, h.opened, h.sounds = w.random.uint64()|1, 0, stampSet{}, [maxNodes + 1]sound{}
	h.start, h.begun = h.reserveStart(), w.Now
	now := h.now()
	c := node.Config{Self: h.Slot, Session: h.session, Start: h.start, Starts: h.disk.known(), Peers: w.others(h.Slot), Digest: h.file.digest(), Build: "sim", Leased: true, Paths: uint8(w.Plan.Paths), LANs: w.Plan.lans(),
		Config: token.Config{Interval: w.Plan.Interval, Dead: w.Plan.Dead(), Lease: w.Plan.Lease(), StartWait: w.Plan.startWait(),
			Tokens: h.specs(), HighWater: h.disk.highWater, Timed: h.disk.timed, Clock: h.floor(), Booting: true, Sample: 1}, Services: h.services()}
	h.machine = node.New(c, now)
	h.world.twin.start(h, c, now)
	h.crews = w.crews()
	beats := heartbeat.Config{Peers: w.others(h.Slot), Interval: w.Plan.Interval, Dead: w.Plan.Dead(), Lease: w.Plan.Lease()}
	if w.Plan.Follow {
		beats.Self = h.Slot // without it a sender keeps a schedule of its own
	}
	h.sender = node.NewSender(beats, now)
	for i := range h.kernel {
		h.kernel[i] = entry{epoch: h.kernel[i].epoch}
	}
	for _, a := range start {
		h.carryOut(a)
	}
	for i := range w.Plan.Tokens {
		if r := h.against(i); r != 0 {
			h.step(token.Eligibility{Token: i, Reasons: r})
		}
	}
	h.tellTime()
	h.listen()
	h.beatOn()
}

// floor is what the time of day is good for at a start.
func (h *Host) floor() token.ClockFloor {
	if !h.world.Plan.Clocked {
		return token.ClockFloor{}
	}
	h.told = told{floor: node.Floor(h.wallNow()), at: h.now()}
	h.told.start = h.told.floor
	h.world.check.untimed = h.world.check.untimed || h.unsynced
	h.world.check.ahead = max(h.world.check.ahead, h.told.floor)
	return token.ClockFloor{Floor: h.told.floor, Trusted: !h.unsynced}
}

// listen tells the daemon of the first foreign frame that comes from now on.
func (h *Host) listen() {
	if h.world.Plan.Foreign {
		h.after(h.world.Plan.ForeignAfter, func() { h.step(token.NetworkForwarding{}) })
	}
}

// Kill ends the daemon at once; the kernel keeps what it has.
func (h *Host) Kill() {
	if h.machine != nil {
		h.world.check.leaves(h)
	}
	late := h.latePeers()
	for i := range h.kernel {
		h.kernel[i].alone = 0
		if late != 0 && h.machine != nil && h.machine.Tokens().Status(h.now(), i).Limit == clock.Never {
			h.kernel[i].alone = late
		}
	}
	h.machine, h.crews, h.frozen, h.socket, h.late = nil, nil, false, nil, nil
	h.busy, h.waiting = false, nil
}

// PowerOff ends everything but the disk; PowerOn is a boot without a start.
func (h *Host) PowerOff() {
	h.Kill()
	h.alive = false
	clear(h.kernel)
	h.world.check.pageLost[h.Slot-1] = h.world.Now
	for i := range h.gangs {
		h.gangs[i].end()
	}
	for i := range h.disk.records {
		h.disk.records[i].Holder = false // another boot
	}
}

// PowerOn boots the machine; its boot clock begins anew.
func (h *Host) PowerOn() {
	if !h.alive {
		h.alive, h.boot = true, h.world.Now-int64(h.world.random.below(1e9))
	}
}

// Freeze stops the daemon's threads; Thaw lets them go on.
func (h *Host) Freeze() {
	if h.Running() {
		h.frozen = true
	}
}

// Thaw lets the daemon run again: whatever waited is there at once.
func (h *Host) Thaw() {
	if h.machine == nil || !h.frozen {
		return
	}
	h.frozen, h.thawedAt = false, h.world.Now
	waited, late := h.socket, h.late
	h.socket, h.late = nil, nil
	if h.world.random.chance(3) {
		h.say(h.sender.Beat()) // the beating thread may be first
	}
	if h.world.random.chance(2) {
		h.step(node.Tick{})
	}
	for _, p := range waited {
		h.receive(p)
	}
	for _, f := range late {
		h.after(0, f)
	}
	h.step(node.Tick{})
	if h.machine != nil {
		h.beatOn()
	}
}

// after runs f in the daemon's present life.
func (h *Host) after(d time.Duration, f func()) {
	life := h.life
	h.world.At(h.world.Now+int64(d), func() {
		switch {
		case h.life != life || h.machine == nil:
		case h.frozen:
			h.late = append(h.late, f)
		default:
			f()
		}
	})
}

// reserveStart takes the next start counter. A disk that lost it has one from the time
// of day, if the clock can be trusted, or none.
func (h *Host) reserveStart() uint64 {
	floor := uint64(0)
	if !h.unsynced {
		floor = uint64(h.world.Now/(125*1e6)) + 1
	}
	if h.disk.broken {
		return 0
	}
	start, keep := heartbeat.NextStart(h.disk.start, floor)
	h.disk.start = keep
	return start
}

// known are the starts that the disk remembers of the peers.
func (d *disk) known() (list []heartbeat.Start) {
	for slot := range uint8(maxNodes + 1) {
		if start := d.starts[slot]; start > 0 {
			list = append(list, heartbeat.Start{Slot: slot, Start: start})
		}
	}
	return list
}

// maxNodes is how many hosts a world has at most.
const maxNodes = 5

// step steps the machine and does what it answers. Leases that had run out before a
// send come first, as in the daemon's loop.
func (h *Host) step(ev node.Event) {
	if h.machine == nil || h.frozen {
		return
	}
	if h.busy {
		h.waiting = append(h.waiting, func() { h.step(ev) })
		return
	}
	for _, e := range h.sender.Ended() {
		h.decide(e)
	}
	if h.machine != nil {
		h.decide(ev)
	}
}

func (h *Host) decide(ev node.Event) {
	now := h.now()
	h.Steps++
	if _, tick := ev.(node.Tick); tick {
		h.ticks++
	}
	actions := h.machine.Step(now, ev) // doing them never steps the machine again
	h.sender.Stepped(now)
	h.world.check.stepped(h, now)
	h.world.twin.step(h, now, ev, actions)
	for _, a := range actions {
		h.do(now, a)
	}
	h.sleep()
}

// order has an operator's command carried out by this host's daemon, if it runs.
func (h *Host) order(c node.Command) {
	if h.Running() {
		h.world.check.ordered(h, c)
		h.step(c)
	}
}

// setBits sets the token's bits on this host: those of the plan and some more.
func (h *Host) setBits(i int, more token.Bits) {
	bits := h.file.bits[i] | more
	h.after(0, func() { h.step(token.SetBits{Token: i, Bits: bits}) })
}

// sleep schedules the next tick.
func (h *Host) sleep() {
	if h.machine == nil {
		return
	}
	at := h.worldAt(h.machine.Deadline())
	if at == h.wake && at > h.world.Now {
		return
	}
	h.wake = at
	h.world.queue.push(happening{at: max(at, h.world.Now), host: h, life: h.life, kind: tick})
}

func (h *Host) beatOn() {
	h.world.queue.push(happening{at: h.worldAt(h.sender.Next()), host: h, life: h.life, kind: beat})
}

// beat is the sending thread's turn.
func (h *Host) beat() {
	if h.sender.Due(h.now()) {
		h.say(h.sender.Beat())
	}
	h.beatOn()
}
