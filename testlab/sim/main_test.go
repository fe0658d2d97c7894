package sim

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets the heap grow: a schedule leaves little behind, and collecting
// it often costs more than playing it.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}
