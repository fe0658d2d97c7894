package token

import "time"

// Bounds of one machine.
const (
	MaxTokens = 1000
	MaxNodes  = 32
)

// Bits are ABB's four, per token.
type Bits uint8

// The four bits.
const (
	AllowMultiple      Bits = 1 << iota // every eligible node holds at once
	AutoFailback                        // goes back to the higher priority as soon as its gates are open
	DisableInheritance                  // no node takes on silence alone
	ReleaseRequested                    // the holder is asked to give up and stay away
)

// Member is one node's standing for one token.
type Member struct {
	Slot     uint8
	Priority int // higher wins
	Place    int // by name: breaks a tie of priorities
}

// Spec describes one token.
type Spec struct {
	Name              string
	ID                uint64 // 64-bit FNV-1a of Name; names the token on the wire
	Members           []Member
	Bits              Bits
	Probeable         bool          // an address probe finds the resource on the network
	Network           uint64        // tokens of one network are probed by a sample; 0: each by itself
	StopBeforeRelease bool          // the resource needs its lease while it goes down, and may take long
	Linger            time.Duration // how long the resource may live on where its lease has ended: a taker on silence waits so much longer
	FailbackDelay     time.Duration // a better node must have been eligible for so long
	FailbackCap       int           // most failbacks in an hour, 0: none
}

// Record is kept on disk of a token to which Disable Inheritance is applied.
type Record struct {
	Epoch    uint64
	Holder   bool // this node held it when the record was made, in this very boot, and no peer takes it on silence
	To       uint8
	Promised bool  // the peers were told that this node takes it on no silence
	Relied   Slots // the peers that have promised it to this node
}

// Config is told to the machine once.
type Config struct {
	Self      uint8
	Interval  time.Duration // I
	Dead      time.Duration // D, also a taker's wait W
	Lease     time.Duration // L = 0.8 D
	StartWait time.Duration // with no foreign frame at all, silence means something only after this
	Tokens    []Spec
	Sample    int    // so many of a holder's tokens on one network are asked for at a time; 0: 4
	HighWater uint64 // epoch counter that no grant of an earlier run went beyond
	Timed     bool   // nor was any ahead of the time of day
	Clock     ClockFloor
	Booting   bool // no token is taken before Booted: the remains of an earlier run come first
	DecideAll bool // every token in every step, also without a change: for comparison
}

// ID returns the 64-bit FNV-1a hash by which a token's name goes on the wire.
func ID(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// Counter returns the growing part of an epoch, and Granter the node that granted it.
func Counter(epoch uint64) uint64 { return epoch >> 8 }

// Granter returns the slot of the node that made the epoch.
func Granter(epoch uint64) uint8 { return uint8(epoch) }

// member returns the standing of the node, or nil if the token is not for it.
func (s *Spec) member(slot uint8) *Member {
	for i := range s.Members {
		if s.Members[i].Slot == slot {
			return &s.Members[i]
		}
	}
	return nil
}
