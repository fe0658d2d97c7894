package unit

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestStartStop(t *testing.T) {
	b := setUp(t)
	u := b.unit("as-patient")
	b.start(u)
	b.says(u, "VIPD_EPOCH=257 VIPD_TOKEN=group:g VIPD_NODE=hist-a VIPD_ROLE=active PATH=")
	if lines := strings.Count(b.read(string(u.out)), "\n"); lines != 2 {
		t.Errorf("output has %d lines, want ours and the environment", lines)
	}
	if err := u.Start(t.Context(), Env{}); err == nil || !strings.Contains(err.Error(), "it runs") {
		t.Errorf("a second start: %v", err)
	}
	b.stop(u)
	b.says(u, "asked")
	b.empty(u)
	b.stop(u)
	b.alive()
}

func TestDeath(t *testing.T) {
	b := setUp(t)
	for _, c := range []struct{ part, want string }{
		{"as-speaker 3 cannot bind port 5432", "exit status 3: cannot bind port 5432"},
		{`as-speaker 0 "bell \\a"`, `exit status 0: bell \a`},
	} {
		u := b.unit(c.part)
		b.start(u)
		if got := b.death(); got != c.want {
			t.Errorf("%s: told %q, want %q", c.part, got, c.want)
		}
		b.stop(u)
		b.empty(u)
	}
	u := b.ready("as-stubborn", patience)
	syscall.Kill(u.run.main.pid, syscall.SIGSEGV)
	if got := b.death(); !strings.HasPrefix(got, "killed by SIG") && !strings.HasPrefix(got, "exit status 2") {
		t.Errorf("told %q", got) // the Go runtime answers SIGSEGV with exit status 2
	}
	b.start(u) // without a stop in between
	syscall.Kill(u.run.main.pid, syscall.SIGKILL)
	if got := b.death(); !strings.HasPrefix(got, "killed by SIGKILL") {
		t.Errorf("told %q, want killed by SIGKILL", got)
	}
	b.stop(u)
	b.empty(u)
	b.alive()
}

func TestStartFails(t *testing.T) {
	b := setUp(t)
	for text, want := range map[string]string{
		"exec:/nowhere/scand": "no such file",
		"exec:/etc/passwd":    "permission denied",
	} {
		u, err := New(text, b.options())
		if err != nil {
			t.Fatal(err)
		}
		if err := u.Start(t.Context(), Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("start %s: %v, want %s", text, err, want)
		}
		if err := u.(Checker).Check(t.Context()); err == nil {
			t.Errorf("check %s: no objection", text)
		}
		b.empty(u.(*process))
	}
}

// The state file can't be written: a service that the next daemon would not find
// again must not stay.
func TestStartUnrecorded(t *testing.T) {
	b := setUp(t)
	const room = "nr_inodes=3" // for the folder, the one of the group, and the output
	if err := unix.Mount("tmpfs", b.dir, "tmpfs", 0, room); err != nil {
		t.Skip("needs a small file system: ", err)
	}
	defer unix.Unmount(b.dir, unix.MNT_DETACH)
	u := b.unit("as-patient")
	if err := u.Start(t.Context(), Env{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("start: %v", err)
	}
	if about, err := os.Stat(string(u.out)); err != nil || about.Size() == 0 {
		t.Errorf("it came not so far: %v", err)
	}
	b.empty(u)
	b.alive()
}

// The main process ends, its child lives on: that is a death, and a start clears
// the rest.
func TestOrphans(t *testing.T) {
	b := setUp(t)
	u := b.ready("as-parent", patience)
	old := u.group.Processes()
	syscall.Kill(u.run.main.pid, syscall.SIGKILL)
	b.death()
	b.start(u)
	b.await("second ready", func() bool { return strings.Count(b.read(string(u.out)), "ready") == 2 })
	for _, pid := range u.group.Processes() {
		if slices.Contains(old, pid) {
			t.Errorf("pid %d is of the earlier run", pid)
		}
	}
	b.stop(u)
	b.empty(u)
}

// Nothing is used up by starting and stopping.
func TestCycles(t *testing.T) {
	b := setUp(t)
	u := b.unit("as-patient")
	cycle := func(i int) {
		b.start(u)
		if i%10 == 0 { // with a death
			syscall.Kill(u.run.main.pid, syscall.SIGKILL)
			b.death()
		}
		b.stop(u)
	}
	cycle(1)
	goroutines, files := runtime.NumGoroutine(), b.files()
	for i := range 200 {
		cycle(i)
	}
	b.await("as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := b.files(); now != files {
		t.Errorf("%d descriptors, were %d", now, files)
	}
	b.alive()
	b.empty(u)
}
