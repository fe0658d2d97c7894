package rig_test

import (
	"os"
	"os/exec"
	"testing"

	"vipd/testlab/rig"
)

// FuzzInside is fuzzed by TestFuzzedInside: its inputs run in private namespaces.
func FuzzInside(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(t *testing.T, _ int) {
		lab := rig.Start(t)
		if first, _ := rig.Outside(); first == 0 {
			t.Error("a fuzz worker does not know the namespaces that it is in")
		}
		lab.Host("a")
	})
}

// A package whose tests run in private namespaces can be fuzzed: its workers stay in
// those of the process that fuzzes, and keep what that gave them.
func TestFuzzedInside(t *testing.T) {
	rig.Need(t, rig.Netns)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$", "-test.fuzz=^FuzzInside$", "-test.fuzztime=20x", "-test.parallel=1",
		"-test.fuzzcachedir="+t.TempDir())
	cmd.Env = append(os.Environ(), "VIPD_TEST_REQUIRE="+rig.Netns)
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
