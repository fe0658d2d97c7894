package token

// rank orders nodes that are equally eligible for a token.
type rank struct {
	priority int
	place    int // by name: breaks a tie
}

func (r rank) before(o rank) bool {
	if r.priority != o.priority {
		return r.priority > o.priority
	}
	return r.place < o.place
}

// outsider is the place of a node that this node's configuration does not have for the
// token, behind all others; its slot orders several of them.
const outsider = 1 << 16

// ownRank is this node's.
func (t *state) ownRank() rank {
	if t.mine == nil {
		return rank{place: outsider}
	}
	return rank{t.mine.Priority, t.mine.Place}
}

// theirRank (rule F1) is the rank of a peer. If two configurations differ, each node's own
// claim decides its priority: so both nodes reckon with the same two numbers.
func (t *state) theirRank(i int) rank {
	r := rank{place: outsider + 1}
	if m := t.theirs[i]; m != nil {
		r = rank{m.Priority, m.Place}
	}
	if v := &t.claims[i]; v.told && v.configured() {
		r.priority = v.Priority
	}
	return r
}

// configured reports whether the peer's configuration has the token for it.
func (v *peerClaim) configured() bool { return v.Reasons&Unconfigured == 0 }

// counts (rule F3) reports whether the peer may hold the token, or take it, by our
// configuration or by its own. For a token that has left our configuration any peer may.
func (t *state) counts(i int) bool {
	v := &t.claims[i]
	return t.theirs[i] != nil || t.spec.Members == nil || v.told && (v.configured() || v.holds())
}

// applied (rule F2) returns the token's bits together with those that the peers apply, and
// with the promises to them: a token that one node must not inherit, no node inherits, and
// several hold a token only if all may.
func (t *state) applied() Bits {
	bits := t.spec.Bits
	if t.record.Promised || t.kept.Promised {
		bits |= DisableInheritance
	}
	for i := range t.claims {
		v := &t.claims[i]
		if !v.told || !v.configured() {
			continue
		}
		if t.forbids(i) {
			bits |= DisableInheritance
		}
		if v.Bits&AllowMultiple == 0 {
			bits &^= AllowMultiple
		}
	}
	return bits
}
