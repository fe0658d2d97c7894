package rig

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// TB is what the rig uses of a testing.TB, so that programs which only want a
// laboratory don't carry package testing.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// requireVariable names, separated by commas, the means whose absence is a failure.
const requireVariable = "VIPD_TEST_REQUIRE"

// Means of the host that a test may need.
const (
	Netns = "netns" // private network namespaces
	BPF   = "bpf"   // loading of BPF programs
)

// Need skips a test on a host without the named means, giving the host's reason, or
// fails it when VIPD_TEST_REQUIRE names the means.
func Need(t TB, means string) {
	t.Helper()
	if err := lacks(means); err != nil {
		Missing(t, means, err)
	}
}

// Missing ends a test whose host lacks the named means for the given reason: skipped,
// or failed when VIPD_TEST_REQUIRE names them. It is for means only the caller can try.
func Missing(t TB, means string, reason error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv(requireVariable), ","), means) {
		t.Fatalf("%s is required here: %v", means, reason)
	} else {
		t.Skipf("needs %s: %v", means, reason)
	}
}

// lacks says why the host does not provide the named means, nil when it does.
func lacks(means string) error {
	switch means {
	case Netns:
		return admitted()
	case BPF:
		if err := admitted(); err != nil {
			return err
		}
		return tryBPF()
	}
	return fmt.Errorf("the rig knows no means called %q", means)
}

// admitted says why this process is not in private namespaces, nil when it is.
func admitted() error {
	if entrance.inside {
		return nil
	}
	if entrance.refused != nil {
		return entrance.refused
	}
	return fmt.Errorf("this process did not pass through rig.Main or rig.Enter")
}

// Means lists what this host provides of all that a test may need of the rig.
func Means() (has []string) {
	for _, means := range []string{Netns, BPF} {
		if lacks(means) == nil {
			has = append(has, means)
		}
	}
	return has
}
