package preflight

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

// helperVariable has the test's own program be one of the helpers, which are whole
// processes because what they try is of a process.
const helperVariable = "VIPD_TEST_HELPER"

var helpers = map[string]func() int{"claim": claimAndStay, "squat": squat, "exec": claimAndExec, "rights": printRights}

func TestMain(m *testing.M) {
	if does := helpers[os.Getenv(helperVariable)]; does != nil {
		os.Exit(does())
	}
	os.Exit(rig.Main(m))
}
