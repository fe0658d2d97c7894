package demo_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vipd/testlab/demo"
	"vipd/testlab/rig"
)

// The demo of the real program comes out: every scenario ends with the host answering
// that should, and what was measured adds up. How long anything took is not judged.
func TestWholeDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as the demo")
	}
	program := filepath.Join(t.TempDir(), "vipd")
	if out, err := exec.Command("go", "build", "-o", program, "vipd/vipd").CombinedOutput(); err != nil {
		t.Fatalf("build vipd: %v\n%s", err, out)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(program, "demo", "--json")
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if strings.Contains(stderr.String(), "refuses private namespaces") {
		rig.Missing(t, rig.Netns, errors.New(strings.TrimSpace(stderr.String())))
	}
	if err != nil {
		t.Errorf("%v: %s", err, &stderr)
	}
	var doc struct {
		Rows []demo.Row `json:"scenarios"`
	}
	if err := json.Unmarshal(stdout, &doc); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	var shown []string
	for _, r := range doc.Rows {
		if r.Failed != "" {
			t.Errorf("%s, %s: %s", r.Scenario, r.What, r.Failed)
		}
		if r.Asked == 0 || r.Lost >= r.Asked || r.TCPAsked == 0 || len(r.AnsweredBy) == 0 {
			t.Errorf("measured nothing that can be: %+v", r)
		}
		if !slices.Contains(shown, r.Scenario) {
			shown = append(shown, r.Scenario)
		}
	}
	if !slices.Equal(shown, demo.Names()) {
		t.Errorf("showed %v, want %v", shown, demo.Names())
	}
}
