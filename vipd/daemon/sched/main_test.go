package sched

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if os.Getenv(sessionVariable) != "" {
		os.Exit(raiseOnly())
	}
	os.Exit(m.Run())
}
