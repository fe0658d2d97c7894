package daemon

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }
