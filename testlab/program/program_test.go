package program

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"vipd/testlab/rig"
)

const (
	built  = "vipd/testlab/means"
	absent = "vipd/testlab/nowhere"
)

func TestMain(m *testing.M) {
	Build(built, absent)
	os.Exit(rig.Main(removing{m}))
}

// removing looks whether Remove leaves nothing.
type removing struct{ *testing.M }

func (r removing) Run() int {
	code := r.M.Run()
	was := folder
	Remove()
	if _, err := os.Stat(was); !errors.Is(err, os.ErrNotExist) {
		println("programs are left in", was)
		return 1
	}
	return code
}

// What the first life built is there in the life that runs the tests, and what it could
// not build says why.
func TestBuiltBeforeEntering(t *testing.T) {
	exe, err := Path(built)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(exe).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := Path(absent); err == nil || !strings.Contains(err.Error(), absent) {
		t.Errorf("a package that is not there: %v", err)
	}
}

func TestRunsNoTests(t *testing.T) {
	for line, want := range map[string]bool{
		"-test.v -test.run=X":                   false,
		"-test.list .":                          true,
		"--test.list=.":                         true,
		"-test.fuzz=FuzzX -test.fuzzworker":     true,
		"-test.fuzz=FuzzX -test.fuzzcachedir=x": false,
	} {
		if got := runsNoTests(strings.Fields(line)); got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}
