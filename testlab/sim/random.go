package sim

import "time"

// random is splitmix64: small, quick, the same everywhere.
type random struct{ state uint64 }

func (r *random) uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n−1.
func (r *random) below(n int) int { return int(r.uint64() % uint64(n)) }

// chance is true in one of n.
func (r *random) chance(n int) bool { return r.below(n) == 0 }

// upTo returns a duration from 0 to d.
func (r *random) upTo(d time.Duration) time.Duration {
	return time.Duration(r.uint64() % uint64(d+1))
}

func pick[T any](r *random, list ...T) T { return list[r.below(len(list))] }
