package sim

import (
	"encoding/binary"
	"hash/fnv"
	"slices"

	"vipd/token"
	"vipd/vipd/node"
)

// file is a node's configuration file, where it may differ from the plan's.
type file struct {
	without  int          // the token that it lacks, or −1
	reshape  int          // the group that has another unit in it, or −1
	priority []int        // by node
	bits     []token.Bits // by token
}

// File is what one node's file has instead of what the plan says.
type File struct {
	Priority []int        // by node; nil: as the plan has it
	Bits     []token.Bits // by token, what to change of the plan's; nil: none
}

// planFile is the file that the host begins with.
func (w *World) planFile(i int) file {
	f := file{without: -1, reshape: -1, priority: slices.Clone(w.Plan.Priority)}
	for t := range w.Plan.All() {
		f.bits = append(f.bits, w.planBits(t))
	}
	if i < len(w.Plan.Files) {
		own := &w.Plan.Files[i]
		if own.Priority != nil {
			f.priority = slices.Clone(own.Priority)
		}
		for t, x := range own.Bits {
			f.bits[t] ^= x
		}
	}
	return f
}

func (w *World) planBits(t int) token.Bits {
	if t < w.Plan.Tokens {
		return w.Plan.Bits[t]
	}
	return w.Plan.Groups[t-w.Plan.Tokens].Bits
}

// same reports whether both files say the same of everything.
func (f *file) same(o *file) bool {
	return f.without == o.without && f.reshape == o.reshape && slices.Equal(f.priority, o.priority) && slices.Equal(f.bits, o.bits)
}

// digest names what the file says.
func (f *file) digest() uint64 {
	h := fnv.New64a()
	write := func(n int) { binary.Write(h, binary.LittleEndian, int64(n)) }
	write(f.without)
	write(f.reshape)
	for _, p := range f.priority {
		write(p)
	}
	for _, b := range f.bits {
		write(int(b))
	}
	return h.Sum64()
}

// specs are the tokens that the host's file asks for.
func (h *Host) specs() (list []token.Spec) {
	for i, spec := range h.world.specs {
		if i == h.file.without {
			continue
		}
		spec.Bits = h.file.bits[i]
		spec.Members = slices.Clone(spec.Members)
		for j := range spec.Members {
			spec.Members[j].Priority = h.file.priority[j]
		}
		list = append(list, spec)
	}
	return list
}

// services are the groups that the host's file asks for.
func (h *Host) services() node.Services { return h.world.services(h.file.without, h.file.reshape) }

// reload has the daemon take over the host's file as it is now.
func (h *Host) reload() {
	h.world.check.filesChanged()
	change := node.Reload{Tokens: h.specs(), Services: h.services(), Digest: h.file.digest()}
	h.after(0, func() { h.step(change) })
}

// drawFiles has one node's file differ: in its priorities, or in the bits of a token.
// Which nodes may hold a token at a time is the same in all files.
func (p *Plan) drawFiles(r *random) {
	if p.Class != Storm {
		return
	}
	p.Files = make([]File, p.Nodes)
	own := &p.Files[r.below(p.Nodes)]
	if r.chance(2) {
		for range p.Nodes {
			own.Priority = append(own.Priority, pick(r, 100, 150, 200, 250))
		}
	} else {
		own.Bits = make([]token.Bits, p.All())
		own.Bits[r.below(p.All())] = pick(r, token.DisableInheritance, token.AutoFailback, token.DisableInheritance)
	}
}

// edit changes something in the host's file.
func (h *Host) edit(i, how int) {
	f := &h.file
	switch how % 4 {
	case 0:
		f.priority[how>>2%len(f.priority)] = 100 + 50*(how>>8%4)
	case 1:
		f.bits[i] ^= token.AutoFailback
	default:
		f.bits[i] ^= token.DisableInheritance
	}
}

// lasting reports whether nobody takes the token on silence, by every file and for long
// enough that all act by it.
func (c *checker) lasting(i int) bool {
	if c.forced[i] || c.changed != 0 && c.w.Now-c.changed < int64(settle) {
		return false
	}
	for _, h := range c.w.Hosts {
		if h.file.bits[i]&token.DisableInheritance == 0 {
			return false
		}
	}
	return true
}

// brokePromise reports whether one of the pair has lost its state file, and with it the
// promise to take on no silence, which its own file does not demand and on which the other
// relies, by its file or by its record, or did within a dead time: until then both may hold.
func (c *checker) brokePromise(a, b *Host, i int) bool {
	broke := func(h, o *Host) bool {
		relied := &c.relied[o.Slot-1][i]
		if o.file.bits[i]&token.DisableInheritance != 0 || o.disk.records[i].Relied.Has(h.Slot) {
			*relied = c.w.Now
		}
		return c.unpromised[h.Slot-1][i] && h.file.bits[i]&token.DisableInheritance == 0 && c.recent(*relied, int64(c.w.Plan.Dead()))
	}
	return broke(a, b) || broke(b, a)
}

// losePromises notes what the host had promised, whose state file is about to be lost.
func (c *checker) losePromises(h *Host) {
	for i := range h.disk.records {
		lost := &c.unpromised[h.Slot-1][i]
		*lost = *lost || h.disk.records[i].Promised
	}
}

// promises notes that the disk keeps a promise again: what is taken from now on is no more
// excused by one that was lost.
func (c *checker) promises(h *Host, i int) {
	if !h.Answers(i) {
		c.unpromised[h.Slot-1][i] = false
	}
}

// filesChanged notes that a daemon is about to take over another file.
func (c *checker) filesChanged() {
	c.changed = c.w.Now
	for _, h := range c.w.Hosts {
		for i, bits := range h.file.bits {
			c.promised[i] = c.promised[i] || bits&token.DisableInheritance != 0
		}
	}
}

// agree reports whether all files say the same.
func (c *checker) agree() bool {
	for _, h := range c.w.Hosts[1:] {
		if !h.file.same(&c.w.Hosts[0].file) {
			return false
		}
	}
	return true
}
