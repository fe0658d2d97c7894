// Command mutants plants one fault at a time in the pure machines and has the
// simulation find it, or else the machines' own tests. A mutant is one named change of a
// source file, compiled beside the tree with an overlay, so that nothing in the tree is
// touched. One that neither kills fails the command, as does one whose place in the
// source is not there any more.
//
//	list ─► overlay ─► go test -c ─► schedules until the first violation ─► killed after n
//	                └► go test, where no schedule shows it ────────────────► killed by a test
//
// It runs in the root of the module:
//
//	go run ./testlab/sim/mutants [-run regexp] [-schedules n]
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// limit is how long one mutant's schedules may take, beside busy neighbours.
const limit = 8 * time.Minute

func main() {
	run := flag.String("run", "", "only the mutants whose name matches")
	schedules := flag.Int("schedules", 10000, "how many schedules a mutant may survive at most")
	flag.Parse()
	if err := killAll(*run, *schedules); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func killAll(run string, schedules int) error {
	wanted, err := regexp.Compile(run)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	alive := 0
	for _, s := range suites {
		for _, m := range s.mutants {
			if !wanted.MatchString(m.name) {
				continue
			}
			verdict, killed := m.play(dir, s.kinds, schedules)
			fmt.Printf("%-32s %s\n", m.name, verdict)
			if !killed {
				alive++
			}
		}
	}
	if alive > 0 {
		return fmt.Errorf("%d not killed", alive)
	}
	return nil
}

// play compiles the mutant and plays schedules until one fails, at last those that were
// found in longer runs. One that survives them is left to the machines' own tests.
func (m *mutant) play(dir, kinds string, schedules int) (verdict string, killed bool) {
	overlay, err := m.overlay(dir)
	if err != nil {
		return err.Error(), false
	}
	if kinds == noSchedules {
		return test(overlay)
	}
	binary, err := compile(dir, overlay)
	if err != nil {
		return err.Error(), false
	}
	args := []string{"-test.run", "Schedules$", "-test.failfast", "-test.timeout", limit.String(), "-test.v", "-stop", "-schedules", strconv.Itoa(schedules)}
	if kinds != "" {
		args = append(args, "-kinds", kinds)
	}
	cmd := exec.Command(binary, args...)
	cmd.Dir = "testlab/sim"
	out, err := cmd.CombinedOutput()
	if err == nil {
		return test(overlay)
	}
	what := firstOf(violation, out)
	if what == "" {
		return "died of something else: " + firstOf(anyLine, out), false
	}
	return fmt.Sprintf("killed after %s: %s", firstOf(played, out), what), true
}

// machines are the packages whose tests may kill what no schedule shows.
var machines = []string{"./heartbeat", "./token", "./services", "./vipd/node", "./testlab/stories"}

// test runs the machines' own tests with the overlay.
func test(overlay string) (verdict string, killed bool) {
	args := append([]string{"test", "-vet=off", "-timeout", limit.String(), "-overlay", overlay}, machines...)
	out, err := exec.Command("go", args...).CombinedOutput()
	switch name := firstOf(failed, out); {
	case err == nil:
		return "SURVIVED", false
	case name == "":
		return "died of something else: " + firstOf(anyLine, out), false
	default:
		return "killed by " + name, true
	}
}

var (
	violation = regexp.MustCompile(`(seed \d+: .*) \(replay|never reached: .*`)
	failed    = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)
	played    = regexp.MustCompile(`(\d+ schedules)`)
	anyLine   = regexp.MustCompile(`(?m)^(.+)$`)
)

func firstOf(r *regexp.Regexp, text []byte) string {
	switch found := r.FindSubmatch(text); {
	case found == nil:
		return ""
	case found[1] == nil:
		return string(found[0])
	default:
		return string(found[1])
	}
}

// overlay writes the changed file, and the list that has the compiler take it in place of
// its original.
func (m *mutant) overlay(dir string) (list string, err error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, not once", m.file, m.old, n)
	}
	original, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	if err := os.WriteFile(changed, bytes.Replace(source, []byte(m.old), []byte(m.new), 1), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return "", err
	}
	list = filepath.Join(dir, "overlay.json")
	return list, os.WriteFile(list, text, 0o600)
}

// compile builds the simulation with the overlay.
func compile(dir, overlay string) (binary string, err error) {
	binary = filepath.Join(dir, "sim.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, "./testlab/sim").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("doesn't compile: %s", strings.TrimSpace(string(out)))
	}
	return binary, nil
}
