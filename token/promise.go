package token

// With Disable Inheritance no node takes on silence, so that no lease need depend on a peer
// that keeps to it. But files change at any moment, and a daemon that starts anew has
// forgotten the claims of its peers. So it is a promise:
//
//   - P1: a node promises, on disk first and then in its claims, while its file has the bit or a
//     peer says that it applies it.
//   - P2: a node whose file has the bit relies on a peer that promises, and said so knowing that
//     this node applies it. On whom it relies is on disk.
//   - P3: a node whose file has the bit no more relies on no peer, has that on disk, and only
//     then says that it doesn't apply it any more.
//
// So no node takes a promise back while another relies on it, even if a node is cut off,
// starts anew, or is given another file meanwhile.

// Slots is a set of nodes.
type Slots [4]uint64

// Add puts the node into the set.
func (s *Slots) Add(slot uint8) { s[slot/64] |= 1 << (slot % 64) }

// Has reports whether the node is in the set.
func (s *Slots) Has(slot uint8) bool { return s[slot/64]>>(slot%64)&1 != 0 }

// promises (rule P1) reports whether this node must not take the token on silence. As long as
// a peer has not spoken since this daemon started, its earlier claim counts.
func (t *state) promises() bool {
	if t.spec.Bits&DisableInheritance != 0 {
		return true
	}
	for i := range t.claims {
		v := &t.claims[i]
		if t.forbids(i) || !v.told && t.record.Promised && t.counts(i) {
			return true
		}
	}
	return false
}

// forbids reports whether the peer says that it applies Disable Inheritance, so that this node
// does. The last claim of a peer that our file no longer has, and that did not hold, does not
// count: that peer takes by our report alone.
func (t *state) forbids(i int) bool {
	v := &t.claims[i]
	return v.told && v.configured() && v.Bits&DisableInheritance != 0 && (t.theirs[i] != nil || t.spec.Members == nil || v.holds())
}

// rely notes on which peers the lease need not depend (rule P2).
func (m *Machine) rely(t *state) {
	for i := range t.claims {
		p, v := &m.peers[i], &t.claims[i]
		switch {
		case t.spec.Bits&DisableInheritance == 0, p.complete && !v.Promises:
			v.relied = false
		case p.complete && t.promisedAt != 0 && p.acked >= t.promisedAt:
			v.relied = true
		}
	}
}

// relied are the peers on which this node relies.
func (m *Machine) relied(t *state) (list Slots) {
	for i := range t.claims {
		if t.claims[i].relied {
			list.Add(m.peers[i].slot)
		}
	}
	return list
}

// waitsForReport reports whether the peer never takes the token on silence, and no lease
// depends on it.
func (t *state) waitsForReport(i int) bool {
	return t.spec.Bits&DisableInheritance != 0 && t.claims[i].relied
}

// allWaitForReport reports whether no peer takes the token on silence.
func (t *state) allWaitForReport() bool {
	if t.spec.Bits&DisableInheritance == 0 {
		return false
	}
	for i := range t.claims {
		if t.counts(i) && !t.waitsForReport(i) {
			return false
		}
	}
	return true
}

// applies reports whether this node says that it applies Disable Inheritance (rule P3).
func (t *state) applies() bool {
	return t.spec.Bits&DisableInheritance != 0 || t.record.relies() || t.kept.relies()
}

// promised reports whether the disk has the promise and it is not being taken back.
func (t *state) promised() bool { return t.kept.Promised && t.record.Promised }

// relies reports whether a daemon that starts with the record relies on any peer.
func (r *Record) relies() bool { return r.Holder || r.Relied != Slots{} }
