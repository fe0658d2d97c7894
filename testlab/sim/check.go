package sim

import (
	"fmt"
	"slices"
	"time"

	"vipd/token"
)

// checker watches the world from outside: what kernels answer, which epochs are
// granted, who announced last. It knows the promises, not the machines' rules.
type checker struct {
	w          *World
	violation  string
	disturbed  int64     // newest beginning or end of a fault
	severed    [][]int64 // pair: newest time at which it was cut both ways, −1 never
	halved     [][]int64 // pair: the same in any direction
	strange    [][]int64 // pair: newest time at which it held both, cut so, and one did not know the other
	deaf       [][]int64 // pair: newest time at which the clients' network was cut between them, −1 never
	epochs     map[epochKey]uint8
	newest     [][]uint64 // by host and token
	granted    [][]int64  // when
	floors     [][]uint64 // and what the time of day allowed at least
	announcer  []uint8    // by token
	holder     []uint8    // by token, as remembered
	orders     map[uint64]order
	phases     [][]token.Phase // by host and token, as last seen
	editions   []uint32        // by host, for the trace
	echoed     []echoes        // by host
	groups     groupNotes
	forced     []bool    // by token: an operator has taken it for granted that a node is off
	changed    int64     // a file was changed then
	promised   []bool    // by token: a file that was taken over had it that nobody takes it on silence
	forgetful  []bool    // by host: it has lost its state, and its clock does not help
	unpromised [][]bool  // by host and token: it has lost its state, and what it has promised with it
	relied     [][]int64 // by host and token: when it was last seen to rely on a promise
	stateLost  []int64   // by host: it lost its state file then, 0 never
	pageLost   []int64   // by host: it lost its lease page then, by a power cut
	wrongClock bool      // a clock was set wrong
	grants     [][]grant // by token
	untimed    bool      // a daemon ran whose clock was not synchronised: what it reserved follows no clock
	ahead      uint64    // the time of day by the clock that is ahead of all others
	replaying  bool      // a step is for a recorded datagram
	Coverage
	Trace func(format string, args ...any)
}

type epochKey struct {
	token int
	epoch uint64
}

func newChecker(w *World) *checker {
	n := w.Plan.All()
	c := &checker{w: w, epochs: map[epochKey]uint8{}, orders: map[uint64]order{}, echoed: make([]echoes, w.Plan.Nodes), editions: make([]uint32, w.Plan.Nodes), announcer: make([]uint8, n), holder: make([]uint8, n)}
	for range w.Plan.Nodes {
		row := make([]int64, w.Plan.Nodes)
		for i := range row {
			row[i] = -1
		}
		c.severed = append(c.severed, row)
		c.halved = append(c.halved, slices.Clone(row))
		c.strange = append(c.strange, slices.Clone(row))
		c.newest, c.granted = append(c.newest, make([]uint64, n)), append(c.granted, make([]int64, n))
		c.floors, c.unpromised = append(c.floors, make([]uint64, n)), append(c.unpromised, make([]bool, n))
		c.relied = append(c.relied, make([]int64, n))
		c.phases = append(c.phases, make([]token.Phase, n))
		c.deaf = append(c.deaf, slices.Clone(row))
	}
	c.promised = make([]bool, n)
	c.forced, c.forgetful, c.grants = make([]bool, n), make([]bool, w.Plan.Nodes), make([][]grant, n)
	c.stateLost, c.pageLost = make([]int64, w.Plan.Nodes), make([]int64, w.Plan.Nodes)
	c.groups = newGroupNotes(w)
	return c
}

func (c *checker) fail(format string, args ...any) {
	if c.violation == "" {
		c.violation = fmt.Sprintf("%v: ", time.Duration(c.w.Now)) + fmt.Sprintf(format, args...)
	}
}

func (c *checker) trace(format string, args ...any) {
	if c.Trace != nil {
		c.Trace("%v "+format, append([]any{time.Duration(c.w.Now)}, args...)...)
	}
}

func (c *checker) disturb() { c.disturbed = c.w.Now }

// cut notes, before and after a link changes, whether the pair is cut both ways.
func (c *checker) cut(a, b int) {
	if !c.w.open(a, b) && !c.w.open(b, a) {
		c.severed[a][b], c.severed[b][a] = c.w.Now, c.w.Now
	}
	if !c.w.open(a, b) || !c.w.open(b, a) {
		c.halved[a][b], c.halved[b][a] = c.w.Now, c.w.Now
	}
	if !c.w.lan(c.w.Hosts[a], c.w.Hosts[b], 0) {
		c.deaf[a][b], c.deaf[b][a] = c.w.Now, c.w.Now
	}
}

// heard notes, before and after a host's own link changes, from whom it is cut.
func (c *checker) heard(h *Host) {
	for _, o := range c.w.Hosts {
		if o != h && !c.w.lan(h, o, 0) {
			c.deaf[h.Slot-1][o.Slot-1], c.deaf[o.Slot-1][h.Slot-1] = c.w.Now, c.w.Now
		}
	}
}

// leaves notes, when a daemon is killed, the peers to which it is a stranger or that are
// strangers to it: the lease that it leaves may outlast it.
func (c *checker) leaves(h *Host) {
	for i, o := range c.w.Hosts {
		if o != h {
			c.noteStrangers(int(h.Slot-1), i)
		}
	}
}

// noteStrangers notes that one direction between the pair is cut while one does not know the
// other.
func (c *checker) noteStrangers(a, b int) {
	if !(c.w.open(a, b) && c.w.open(b, a)) && c.w.strangers(a, b) {
		c.strange[a][b], c.strange[b][a] = c.w.Now, c.w.Now
	}
}

// excused reports whether the pair may both hold the token now: they were cut both ways,
// and have not been together again for long enough to settle it. Who is heard, but does
// not hear, may be waited for until it has led clients to itself, and an interval more if it
// hears by then. A cut of one direction
// counts too for a pair of which one has begun since and can't know the other: what it
// hears may be a recording.
func (c *checker) excused(a, b, i int) bool {
	limit := int64(settle)
	if c.w.specs[i].Probeable && (!(c.w.open(a, b) && c.w.open(b, a)) || c.recent(c.halved[a][b], int64(c.w.Plan.Interval))) {
		limit += int64(leading)
	}
	if c.w.specs[i].Probeable && !c.w.Plan.Frameless && c.w.lan(c.w.Hosts[a], c.w.Hosts[b], 0) && (c.deaf[a][b] < 0 || c.w.Now-c.deaf[a][b] > limit) {
		return false // each hears the other over the clients' network
	}
	if !c.w.open(a, b) && !c.w.open(b, a) {
		return true
	}
	c.noteStrangers(a, b)
	if c.recent(c.halved[a][b], limit) && c.w.strangers(a, b) {
		c.strange[a][b], c.strange[b][a] = c.w.Now, c.w.Now
	}
	return c.recent(c.severed[a][b], limit) || c.recent(c.strange[a][b], limit)
}

func (c *checker) recent(t, limit int64) bool { return t >= 0 && c.w.Now-t < limit }

// Answers reports whether the host's kernel answers for the token.
func (h *Host) Answers(i int) bool {
	k := &h.kernel[i]
	return h.alive && k.up && h.now() < k.expiry
}

// answering is asked whenever a kernel begins to answer, or may for longer.
func (c *checker) answering(h *Host, i int) {
	if !h.Answers(i) || c.w.specs[i].Bits&token.AllowMultiple != 0 {
		return
	}
	for _, o := range c.w.Hosts {
		if o == h || !o.Answers(i) {
			continue
		}
		if !c.lasting(i) && c.excused(int(h.Slot-1), int(o.Slot-1), i) {
			c.Duals++
			continue
		}
		if c.lateAndKilled(h, o, i) || c.lateAndKilled(o, h, i) || c.brokePromise(h, o, i) || h.keptByKernel(i) || o.keptByKernel(i) {
			continue
		}
		c.fail("both %s (until %v) and %s (%v) answer for %s", h.Name, h.kernel[i].expiry.Sub(h.now()), o.Name, o.kernel[i].expiry.Sub(o.now()), c.w.specs[i].Name)
	}
}

// keptByKernel reports whether a dead daemon's kernel had refused to shorten the lease, which
// was extended over a restart: the daemon died before it had removed the address.
func (h *Host) keptByKernel(i int) bool {
	k := &h.kernel[i]
	return h.machine == nil && k.page < k.expiry
}

// lateAndKilled reports whether a known residue befell the pair: the peer's daemon was late,
// or a datagram of it was lost, so that the holder thought itself alone, and the holder's was
// killed before it could hear that it is not. Its lease lasts for less than two intervals then.
func (c *checker) lateAndKilled(holder, peer *Host, i int) bool {
	k := &holder.kernel[i]
	return holder.machine == nil && k.alone>>peer.Slot&1 != 0 && !c.lasting(i) && k.expiry.Sub(holder.now()) < 2*c.w.Plan.Interval
}

// latePeers are those that were late within the last dead time, or whose datagrams may be
// lost, one bit each.
func (h *Host) latePeers() (slots uint8) {
	for _, o := range h.world.Hosts {
		late := o.lateAt != 0 && h.world.Now-o.lateAt < int64(h.world.Plan.Dead())
		if o != h && (late || h.world.losesFrom(o, h)) {
			slots |= 1 << o.Slot
		}
	}
	return slots
}

// Announced says that a host told the LAN that the address is its own.
type Announced struct{ Token int }

func (c *checker) observe(h *Host, what any) {
	if c.w.Observe != nil {
		c.w.Observe(h, what)
	}
}

func (c *checker) announced(h *Host, i int) {
	c.announcer[i] = h.Slot
	c.observe(h, Announced{Token: i})
}

// epoch checks that a grant's number was never granted elsewhere, and that a
// node's own grow.
func (c *checker) epoch(h *Host, a token.Lease) {
	key := epochKey{a.Token, a.Epoch}
	owner, seen := c.epochs[key]
	if seen && owner != h.Slot {
		c.fail("epoch %x of %s granted by both %d and %d", a.Epoch, c.w.specs[a.Token].Name, owner, h.Slot)
	}
	c.epochs[key] = h.Slot
	c.grew(h, a)
	newest := &c.newest[h.Slot-1][a.Token]
	if a.Epoch < *newest && !c.mayGoBack(h) && !c.forgot(h, a.Token, h.clockFloor()) {
		c.fail("%s went back from epoch %x to %x of %s", h.Name, *newest, a.Epoch, c.w.specs[a.Token].Name)
	}
	if a.Epoch != *newest {
		*newest, c.granted[h.Slot-1][a.Token], c.floors[h.Slot-1][a.Token] = a.Epoch, c.w.Now, h.clockFloor()
	}
}
