package rig_test

import (
	"os"
	"testing"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

func TestInside(t *testing.T) {
	rig.Need(t, rig.Netns)
	pid, user := rig.Outside()
	t.Log(os.Getpid(), os.Getppid(), pid, user)
	rig.Need(t, rig.BPF)
}
