package addresses

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) {
	if os.Getenv(logVariable) != "" {
		os.Exit(logWithoutReader())
	}
	os.Exit(rig.Main(m))
}
