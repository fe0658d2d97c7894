package packet

// Seq is a sequence number (RFC 3208 section 3.2). The space is circular, so
// numbers are compared only by the methods here: two numbers can be ordered
// while they are less than 2^31 apart.
type Seq uint32

// Before reports whether s is older than t.
func (s Seq) Before(t Seq) bool { return int32(s-t) < 0 }

// After reports whether s is younger than t.
func (s Seq) After(t Seq) bool { return int32(s-t) > 0 }

// From counts the numbers from start up to s: 0 when they are equal,
// negative when s is older.
func (s Seq) From(start Seq) int { return int(int32(s - start)) }

// Add returns the number n places further on; n may be negative.
func (s Seq) Add(n int) Seq { return s + Seq(uint32(n)) }

// Later returns the younger of s and t.
func (s Seq) Later(t Seq) Seq {
	if t.After(s) {
		return t
	}
	return s
}
