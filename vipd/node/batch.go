package node

import "vipd/token"

// batches holds the leases that a step renews many at a time: the token machine, which
// may be stepped again in the same step, uses its own list anew.
type batches struct {
	list []*token.Leases
	used int
}

// keep returns a copy that is valid until the next step of the node.
func (b *batches) keep(l *token.Leases) *token.Leases {
	if b.used == len(b.list) {
		b.list = append(b.list, &token.Leases{})
	}
	own := b.list[b.used]
	own.List = append(own.List[:0], l.List...)
	b.used++
	return own
}
