package unit

import (
	"os"
	"slices"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	// First words of the command line make this program a service, or the daemon
	// of one: a service's environment is not ours to choose.
	if len(os.Args) > 1 {
		if i := slices.IndexFunc(parts, func(p part) bool { return p.name == os.Args[1] }); i >= 0 {
			os.Exit(parts[i].play(os.Args[2:]))
		}
	}
	os.Exit(rig.Main(m))
}

// part is something that this program can be instead of the tests.
type part struct {
	name string
	play func(args []string) int
}

var parts = []part{
	{"as-patient", asPatient}, {"as-stubborn", asStubborn}, {"as-parent", asParent},
	{"as-speaker", asSpeaker}, {"as-daemon", asDaemon}, {"as-chatterer", asChatterer},
}
