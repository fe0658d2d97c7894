package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vipd/testlab/rig"
)

// The bench of the real program comes out: two scenarios, once each, with every figure
// there. What the figures are is not judged, nor whether a busy machine let the address
// answer steadily.
func TestWholeBench(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	exe := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the bench: %v\n%s", err, out)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(exe, "-n", "1", "-mode", "default", "-scenario", "move,size", "-json")
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if strings.Contains(stderr.String(), "refuses private namespaces") {
		rig.Missing(t, rig.Netns, errors.New(strings.TrimSpace(stderr.String())))
	}
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	var got book
	if err := json.Unmarshal(stdout, &got); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	if len(got.Rows) != 4 {
		t.Errorf("%d figures, want 4: %s", len(got.Rows), stdout)
	}
	for _, r := range got.Rows {
		if len(r.Values)+len(r.Failures) != 1 || slices.Contains(r.Failures, notMeasured) {
			t.Errorf("%s, %s: %v, %v", r.Scenario, r.Figure, r.Values, r.Failures)
		}
	}
}
