package lease

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		os.Exit(beOwner())
	}
	if os.Getenv(writerVariable) != "" {
		os.Exit(beWriter())
	}
	os.Exit(rig.Main(m))
}

// trials is how often a test repeats what it does: 20 times, or 200 times in
// the long run.
func trials() int {
	if os.Getenv("VIPD_LONG") != "" {
		return 200
	}
	return 20
}
