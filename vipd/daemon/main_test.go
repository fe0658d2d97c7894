package daemon

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	if os.Getenv(logVariable) != "" {
		os.Exit(logToNobody())
	}
	os.Exit(rig.Main(m))
}
