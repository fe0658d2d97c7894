package window

import "time"

// Bucket is a token bucket (RFC 3208 section 5.1.2, TXW_MAX_RTE). The zero
// value never makes anyone wait.
type Bucket struct {
	rate  float64 // tokens per nanosecond
	burst float64
	level float64
	last  Instant
}

// NewBucket makes a full bucket that gains rate tokens a second and holds burst.
func NewBucket(now Instant, rate, burst float64) Bucket {
	return Bucket{rate: rate / 1e9, burst: burst, level: burst, last: now}
}

// Take takes n tokens and returns 0, or takes nothing and returns how long to
// wait. A request larger than the bucket passes when the bucket is full; the
// debt is waited for by the next.
func (b *Bucket) Take(now Instant, n int) time.Duration {
	if b.rate == 0 {
		return 0
	}
	if now > b.last {
		b.level = min(b.burst, b.level+b.rate*float64(now.Sub(b.last)))
		b.last = now
	}
	need := min(float64(n), b.burst)
	if b.level < need {
		return time.Duration((need-b.level)/b.rate) + 1
	}
	b.level -= float64(n)
	return 0
}

// Spend takes n tokens whether they are there or not; who comes next waits for
// the debt, which never exceeds the burst.
func (b *Bucket) Spend(n int) {
	if b.rate != 0 {
		b.level = max(b.level-float64(n), -b.burst)
	}
}
