package seal

import "iter"

// Refusal is why a datagram was not opened. It is the error that [Opener.Open]
// returns, and its name is stable: counters and messages are built on it.
type Refusal uint8

// The reasons, in the order in which a datagram is looked at. All but ErrForged
// are found without any cryptography, and so are claims of the datagram.
const (
	ErrVersion    Refusal = iota + 1 // another wire version, not the one before
	ErrShort                         // too short to hold its header and a tag
	ErrCluster                       // another cluster on the same network
	ErrOldVersion                    // our cluster, wire version 1
	ErrKind                          // a kind of payload that is for another opener
	ErrKey                           // our cluster, a key that is not in the ring
	ErrRetired                       // a session that was replaced or retired
	ErrOldStart                      // a session of an earlier start of the sender
	ErrTooOld                        // 1024 or more behind the newest of its session
	ErrReplay                        // a counter that was seen before
	ErrForged                        // sealed by another key, or changed on the way
	refusals                         // one more than the last
)

// names are the stable names, by Refusal.
var names = [refusals]string{
	ErrVersion:    "version",
	ErrShort:      "short",
	ErrCluster:    "cluster",
	ErrOldVersion: "version-1",
	ErrKind:       "kind",
	ErrKey:        "key",
	ErrRetired:    "retired",
	ErrOldStart:   "old-start",
	ErrTooOld:     "too-old",
	ErrReplay:     "replay",
	ErrForged:     "forged",
}

// String returns the stable name.
func (r Refusal) String() string {
	if r == 0 || r >= refusals {
		return "unknown"
	}
	return names[r]
}

// Error returns the refusal as a message.
func (r Refusal) Error() string { return "datagram refused: " + r.String() }

// Refusals ranges over all reasons.
func Refusals() iter.Seq[Refusal] {
	return func(yield func(Refusal) bool) {
		for r := ErrVersion; r < refusals && yield(r); r++ {
		}
	}
}
