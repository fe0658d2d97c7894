package unit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A child that left session and process group, and doesn't listen to SIGTERM.
func TestStopTakesAll(t *testing.T) {
	b := setUp(t)
	u := b.ready("as-parent", patience)
	if n := len(u.group.Processes()); n != 2 {
		t.Fatalf("%d processes, want 2", n)
	}
	b.stop(u)
	b.empty(u)
	b.alive()
}

func TestStopStubborn(t *testing.T) {
	b := setUp(t)
	const grace = 200 * time.Millisecond
	u := b.ready("as-stubborn", grace)
	begin := time.Now()
	b.stop(u)
	took := time.Since(begin)
	t.Logf("stopped %v after its stop timeout", took-grace)
	if took < grace {
		t.Errorf("killed after %v, before its time", took)
	}
	b.empty(u)
	b.alive()
}

// The caller gives up: the service is still being asked, and not killed.
func TestStopGivenUp(t *testing.T) {
	b := setUp(t)
	u := b.ready("as-stubborn", patience)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := u.Stop(ctx); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d (", u.run.main.pid)) {
		t.Errorf("error %v, want one that names the process", err)
	}
	if n := len(u.group.Processes()); n != 1 {
		t.Errorf("%d processes, want 1", n)
	}
	syscall.Kill(u.run.main.pid, syscall.SIGKILL)
	b.stop(u)
	b.alive()
	b.empty(u)
}

// A process that no signal reaches: the freezer of cgroup v1 holds it.
func TestStopUnkillable(t *testing.T) {
	b := setUp(t)
	root := t.TempDir()
	if err := unix.Mount("cgroup", root, "cgroup", 0, "freezer"); err != nil {
		t.Skip("needs the freezer of cgroup v1: ", err)
	}
	defer unix.Unmount(root, unix.MNT_DETACH)
	freezer := filepath.Join(root, filepath.Base(b.cgroup))
	if err := os.Mkdir(freezer, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(freezer)
	set := func(file, value string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(freezer, file), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	}
	o := b.options()
	o.StopTimeout = 10 * time.Millisecond
	u := b.unitWith("as-patient", o)
	b.start(u)
	pid := u.run.main.pid
	set("cgroup.procs", strconv.Itoa(pid))
	set("freezer.state", "FROZEN")
	defer os.WriteFile(filepath.Join(freezer, "freezer.state"), []byte("THAWED"), 0)
	for range 2 {
		if err := u.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("after SIGKILL: pid %d (", pid)) {
			t.Errorf("error %v, want one that names the process", err)
		}
	}
	if err := u.Start(t.Context(), Env{}); err == nil {
		t.Error("started twice")
	}
	set("freezer.state", "THAWED")
	b.stop(u)
	b.alive()
	b.empty(u)
}
