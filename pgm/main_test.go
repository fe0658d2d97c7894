package pgm

import (
	"os"
	"testing"

	"vipd/testlab/program"
	"vipd/testlab/rig"
)

// vipd is the program that TestCommands runs.
const vipd = "vipd/vipd"

func TestMain(m *testing.M) {
	program.Build(vipd)
	os.Exit(rig.Main(removing{m}))
}

// removing takes the program away after the tests.
type removing struct{ *testing.M }

func (r removing) Run() int {
	defer program.Remove()
	return r.M.Run()
}
