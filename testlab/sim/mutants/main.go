// Command mutants plants one fault at a time in the pure machines and has the
// simulation find it. A mutant is one named change of a source file, compiled
// beside the tree with an overlay, so that nothing in the tree is touched. One
// that no checker kills fails the command, as does one whose place in the source
// is not there any more.
//
//	list ─► overlay ─► go test -c ─► schedules until the first violation ─► killed after n
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

// limit is how long one mutant's schedules may take.
const limit = 3 * time.Minute

func main() {
	run := flag.String("run", "", "only the mutants whose name matches")
	schedules := flag.Int("schedules", 5000, "how many schedules a mutant may survive at most")
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
	for _, m := range mutants {
		if !wanted.MatchString(m.name) {
			continue
		}
		verdict, killed := m.play(dir, schedules)
		fmt.Printf("%-32s %s\n", m.name, verdict)
		if !killed {
			alive++
		}
	}
	if alive > 0 {
		return fmt.Errorf("%d not killed", alive)
	}
	return nil
}

// play compiles the mutant and plays schedules until one fails, at last those that were
// found in longer runs.
func (m *mutant) play(dir string, schedules int) (verdict string, killed bool) {
	binary, err := m.compile(dir)
	if err != nil {
		return err.Error(), false
	}
	cmd := exec.Command(binary, "-test.run", "Schedules$", "-test.failfast", "-test.timeout", limit.String(), "-test.v", "-stop", "-schedules", strconv.Itoa(schedules))
	cmd.Dir = "testlab/sim"
	out, err := cmd.CombinedOutput()
	if err == nil {
		return fmt.Sprintf("SURVIVED %d schedules", schedules), false
	}
	what := firstOf(violation, out)
	if what == "" {
		return "died of something else: " + firstOf(anyLine, out), false
	}
	return fmt.Sprintf("killed after %s: %s", firstOf(played, out), what), true
}

var (
	violation = regexp.MustCompile(`(seed \d+: .*) \(replay|never reached: .*`)
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

// compile builds the simulation with the changed file in place of its original.
func (m *mutant) compile(dir string) (binary string, err error) {
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
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "sim.test")
	out, err := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", binary, "./testlab/sim").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("doesn't compile: %s", strings.TrimSpace(string(out)))
	}
	return binary, nil
}
