//go:build !race

package seal

// raced is whether the race detector counts allocations of its own.
const raced = false
