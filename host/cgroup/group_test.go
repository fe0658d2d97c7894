package cgroup

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// newGroup makes a control group for a test.
func newGroup(t *testing.T) Group {
	t.Helper()
	rig.Need(t, rig.Netns)
	root, err := Root()
	if err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	folder, err := os.MkdirTemp(root, "vipd-test-cgroup-")
	if err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	g := Group(folder)
	t.Cleanup(func() {
		if err := g.Clear(context.Background(), time.Minute); err != nil {
			t.Error(err)
		}
	})
	return g
}

// sleeper starts a process that runs until it is killed, and moves it into the group.
func sleeper(t *testing.T, g Group) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	if err := g.Enter(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// Clear ends the processes of a group and of those below it, and removes them all.
func TestClear(t *testing.T) {
	g := newGroup(t)
	below := g + "/below"
	first, second := sleeper(t, g), sleeper(t, below)
	want := []int{first.Process.Pid, second.Process.Pid}
	if got := g.Processes(); !slices.Equal(got, want) {
		t.Errorf("processes %v, want %v", got, want)
	}
	if of, err := Of(second.Process.Pid); err != nil || of != below {
		t.Errorf("the second is in %s, %v; want %s", of, err, below)
	}
	if full, err := g.Populated(); !full || err != nil {
		t.Errorf("populated: %v, %v", full, err)
	}
	if empty, err := g.WaitEmpty(t.Context(), time.Millisecond); empty || err != nil {
		t.Errorf("empty: %v, %v", empty, err)
	}
	if err := g.Clear(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(string(g)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group is left: %v", err)
	}
}

// A group that is gone has no process, and no method but Killable fails on it.
func TestGone(t *testing.T) {
	g := newGroup(t) + "/none"
	full, err := g.Populated()
	if failed := errors.Join(err, g.Kill(), g.Clear(t.Context(), 0)); full || failed != nil {
		t.Errorf("populated %v, %v", full, failed)
	}
	if g.Killable() == nil {
		t.Error("it can be killed")
	}
}

// A wait ends with its context.
func TestWaitEnds(t *testing.T) {
	g := newGroup(t)
	sleeper(t, g)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if empty, err := g.WaitEmpty(over, time.Minute); empty || !errors.Is(err, context.Canceled) {
		t.Errorf("empty %v, %v", empty, err)
	}
}

// A folder that is no control group is neither killed nor identified.
func TestOrdinaryFolder(t *testing.T) {
	g := Group(t.TempDir())
	if err := g.Kill(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(string(g), KillFile)); err == nil {
		t.Errorf("%s was made", KillFile)
	}
	folder, err := os.Open(string(g))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if id, err := Identify(int(folder.Fd())); err == nil {
		t.Errorf("identified as %v", id)
	}
	if g.Killable() == nil {
		t.Error("it can be killed")
	}
}

// The same path names another group once it is made again.
func TestIdentify(t *testing.T) {
	g := newGroup(t)
	identify := func() ID {
		folder, err := os.Open(string(g))
		if err != nil {
			t.Fatal(err)
		}
		defer folder.Close()
		id, err := Identify(int(folder.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := identify()
	if err := errors.Join(g.Remove(), os.Mkdir(string(g), 0o755)); err != nil {
		t.Fatal(err)
	}
	if after := identify(); after == before {
		t.Errorf("%v before and after", after)
	}
}
