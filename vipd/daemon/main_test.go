package daemon

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	if os.Getenv(sessionVariable) != "" {
		os.Exit(hurryOnly())
	}
	os.Exit(rig.Main(m))
}
