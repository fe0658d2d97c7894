package heartbeat

// DropReason says why a message had no effect. Each is counted and shown by
// status; none is ever answered.
type DropReason uint8

// The reasons. The refusals of the seal have reasons of their own.
const (
	Kept       DropReason = iota
	OwnEcho               // our own send came back
	NotAPeer              // a slot that the configuration doesn't have
	OldSession            // from a session that a newer one has replaced
	Unproven              // from a session that has yet to echo ours
	Waited                // lay in our socket across a freeze, or too long to mean anything
	FromFuture            // echoes a send that we have not made yet
	Repeated              // a copy of one that came by another way
	Malformed             // sealed by a peer, but not a message
	dropReasons
)

// String returns the name under which the reason is counted.
func (r DropReason) String() string {
	return [...]string{"kept", "own-echo", "not-a-peer", "old-session", "unproven", "waited", "from-future", "repeated", "malformed"}[r]
}

// Drops counts by reason.
type Drops [dropReasons]uint64

// Each calls f with every reason but Kept and its count.
func (d *Drops) Each(f func(r DropReason, n uint64)) {
	for r := OwnEcho; r < dropReasons; r++ {
		f(r, d[r])
	}
}
