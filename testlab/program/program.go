// Package program builds programs of this module for tests that run them inside private
// namespaces, before the test process enters those: inside, the network ends at the
// loopback device, and what the module cache lacks can't be downloaded.
//
// It knows that a test process has several lives (see rig.Enter) and hands the programs
// from the first to the last. It never decides what a program is for.
//
//	first life: Build ─► programs in a folder ─► rig.Enter ─► last life: Path, Remove
package program

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

const (
	// folderVariable tells the later lives of a process where the first one built.
	folderVariable = "VIPD_TEST_PROGRAMS"
	// refusal ends the name of the file that holds why a program was not built.
	refusal = ".refused"
)

// folder is where the programs of this process are; empty before Build.
var folder string

// Build builds the packages of those import paths, in the first life of a process; in a
// later one it finds them. Why one could not be built is what Path returns, so that a
// test says so. Call it from TestMain, before rig.Main or rig.Enter.
//
// Nothing is built for a process that runs no tests: a list of them, or a fuzz worker.
func Build(sources ...string) {
	if runsNoTests(os.Args[1:]) {
		return
	}
	if folder = os.Getenv(folderVariable); folder != "" {
		return
	}
	made, err := os.MkdirTemp("", "vipd-programs-")
	if err != nil {
		return // and Path says that nothing was built
	}
	folder = made
	os.Setenv(folderVariable, folder)
	for _, source := range sources {
		if err := build(source); err != nil {
			os.WriteFile(place(source)+refusal, []byte(err.Error()), 0o600)
		}
	}
}

// runsNoTests says whether the arguments of a test program ask for something else.
func runsNoTests(arguments []string) bool {
	return slices.ContainsFunc(arguments, func(a string) bool {
		a = strings.TrimLeft(a, "-")
		return a == "test.fuzzworker" || a == "test.list" || strings.HasPrefix(a, "test.list=")
	})
}

func build(source string) error {
	cmd := exec.Command("go", "build", "-o", place(source), source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", source, err, out)
	}
	return nil
}

// place is where the program of that import path is, once built.
func place(source string) string { return filepath.Join(folder, path.Base(source)) }

// Path is the program that Build built of that import path, or why there is none.
func Path(source string) (string, error) {
	if folder == "" {
		return "", errors.New("no program was built: TestMain calls program.Build first")
	}
	if why, err := os.ReadFile(place(source) + refusal); err == nil {
		return "", errors.New(string(why))
	}
	if _, err := os.Stat(place(source)); err != nil {
		return "", fmt.Errorf("program of %s: %w", source, err)
	}
	return place(source), nil
}

// Remove takes the programs away; call it in the life that ran the tests.
func Remove() {
	if folder != "" {
		os.RemoveAll(folder)
		os.Unsetenv(folderVariable)
	}
}
