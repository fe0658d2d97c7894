// Package whole runs a program of this module as a user does, from its build to the
// JSON that it prints, for tests of programs that make a laboratory of their own.
//
// It knows how such a program says that the host allows no laboratory. It never looks
// into what was printed.
//
//	source ─► Build ─► program ─► JSON: its own namespaces, its own laboratory ─► document
package whole

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"vipd/testlab/rig"
)

// Build builds the package of that import path into a directory of the test's and
// returns the program's path.
func Build(t *testing.T, source string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(source))
	if out, err := exec.Command("go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", source, err, out)
	}
	return program
}

// JSON runs a program and decodes what it prints. It needs a laboratory (see NeedLab);
// an exit code other than 0 fails the test, and what was printed is decoded all the same.
func JSON(t *testing.T, document any, program string, args ...string) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	NeedLab(t, stderr.String())
	if err != nil {
		t.Errorf("%v: %s", err, &stderr)
	}
	if err := json.Unmarshal(stdout, document); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
}

// NeedLab ends the test, as rig.Missing does, if what a program said on its standard
// error is that the host refuses it private namespaces.
func NeedLab(t *testing.T, said string) {
	t.Helper()
	if strings.Contains(said, "refuses private namespaces") {
		rig.Missing(t, rig.Netns, errors.New(strings.TrimSpace(said)))
	}
}
