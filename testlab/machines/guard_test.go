package machines

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// victimVariable makes TestVictim one.
const victimVariable = "VIPD_MACHINES_VICTIM"

// TestVictim, started by TestNothingIsLeft, boots a machine, says where, and waits for
// its end.
func TestVictim(t *testing.T) {
	if os.Getenv(victimVariable) == "" {
		return
	}
	l := Start(t, Options{Names: []string{A}, Config: NoDaemon})
	os.Stdout.WriteString("booted in " + string(l.Machine(A).cgroup) + "\n")
	time.Sleep(2 * limit)
}

// Tests that are killed leave nothing: no process, no control group, and no guard.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	Require(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victimVariable+"=yes")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	place, said := "", bufio.NewScanner(out)
	for place == "" && said.Scan() {
		_, place, _ = strings.Cut(said.Text(), "booted in ")
	}
	if place == "" {
		t.Fatal("it booted nothing")
	}
	top := filepath.Dir(place)
	if !cgroup(top).is("populated 1") || guards(top) != 1 {
		t.Fatalf("%s is empty, or has %d guards", top, guards(top))
	}
	cmd.Process.Kill()
	l := Lab{t: t}
	l.Eventually("its control groups are gone", func() bool {
		_, err := os.Stat(top)
		return errors.Is(err, fs.ErrNotExist)
	})
	l.Eventually("its guard is gone", func() bool { return guards(top) == 0 })
}

// guards counts the guards of a control group that run.
func guards(top string) (count int) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		text, _ := os.ReadFile(path) // of one that ended meanwhile: empty
		if strings.Contains(string(text), guardVariable+"=") && strings.Contains(string(text), filepath.Base(top)) {
			count++
		}
	}
	return count
}
