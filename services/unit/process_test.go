package unit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/lease"
	"vipd/testlab/rig"
)

// patience bounds every wait of a test; none should come near.
const patience = 10 * time.Second

// bench is where a test's units live.
type bench struct {
	t           *testing.T
	dir, cgroup string
	died        chan string
}

// setUp makes a control group of the test's own, which is cleared in the end.
func setUp(t *testing.T) *bench {
	t.Helper()
	root, err := lease.CgroupRoot()
	var folder string
	if err == nil {
		folder, err = os.MkdirTemp(root, "vipd-test-unit-")
	}
	if err != nil {
		if _, user := rig.Outside(); os.Geteuid() == 0 && !user {
			rig.Missing(t, rig.Netns, err)
		}
		t.Skip("needs a writable cgroup2: ", err)
	}
	b := &bench{t: t, dir: t.TempDir(), cgroup: folder, died: make(chan string, 100)}
	t.Cleanup(func() {
		if err := cgroup(folder).clear(context.Background()); err != nil {
			t.Errorf("not cleared: %v", err)
		}
	})
	return b
}

// options of a unit in the bench.
func (b *bench) options() Options {
	return Options{
		Group: "g", Dir: b.dir, Cgroup: b.cgroup, StopTimeout: patience,
		Died: func(text string) { b.died <- text },
	}
}

// unit makes a unit that runs this program as the part.
func (b *bench) unit(part string) *process { return b.unitWith(part, b.options()) }

func (b *bench) unitWith(part string, o Options) *process {
	b.t.Helper()
	u, err := New(b.text(part), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { u.Close() })
	return u.(*process)
}

func (b *bench) text(part string) string {
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("exec:%q %s", self, part)
}

func (b *bench) start(u Unit) {
	b.t.Helper()
	if err := u.Start(b.t.Context(), Env{Epoch: 257, Token: "group:g", Node: "hist-a", Role: "active"}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stop(u Unit) {
	b.t.Helper()
	if err := u.Stop(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// says waits until the unit's output has the words.
func (b *bench) says(u *process, words string) {
	b.t.Helper()
	b.await("output "+words, func() bool { return strings.Contains(b.read(string(u.out)), words) })
}

func (b *bench) read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func (b *bench) await(what string, done func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// death waits for what Died is told.
func (b *bench) death() string {
	b.t.Helper()
	select {
	case text := <-b.died:
		return text
	case <-time.After(patience):
		b.t.Fatal("no death was told")
		return ""
	}
}

// alive fails the test if a death was told.
func (b *bench) alive() {
	b.t.Helper()
	select {
	case text := <-b.died:
		b.t.Errorf("a death was told: %s", text)
	default:
	}
}

// empty fails the test if anything is left of the unit.
func (b *bench) empty(u *process) {
	b.t.Helper()
	if left := u.group.processes(); left != nil {
		b.t.Errorf("left: %s", u.group.survivors())
	}
	for _, path := range []string{string(u.group), u.files + ".state"} {
		if _, err := os.Stat(path); err == nil {
			b.t.Errorf("%s is left", path)
		}
	}
}

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
	u := b.unit("as-stubborn")
	b.start(u)
	b.says(u, "ready")
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

// A child that left session and process group, and doesn't listen to SIGTERM.
func TestStopTakesAll(t *testing.T) {
	b := setUp(t)
	u := b.unit("as-parent")
	b.start(u)
	b.says(u, "ready")
	if n := len(u.group.processes()); n != 2 {
		t.Fatalf("%d processes, want 2", n)
	}
	b.stop(u)
	b.empty(u)
	b.alive()
}

// The main process ends, its child lives on: that is a death, and a start clears
// the rest.
func TestOrphans(t *testing.T) {
	b := setUp(t)
	u := b.unit("as-parent")
	b.start(u)
	b.says(u, "ready")
	old := u.group.processes()
	syscall.Kill(u.run.main.pid, syscall.SIGKILL)
	b.death()
	b.start(u)
	b.await("second ready", func() bool { return strings.Count(b.read(string(u.out)), "ready") == 2 })
	for _, pid := range u.group.processes() {
		if slices.Contains(old, pid) {
			t.Errorf("pid %d is of the earlier run", pid)
		}
	}
	b.stop(u)
	b.empty(u)
}

func TestStopStubborn(t *testing.T) {
	b := setUp(t)
	o := b.options()
	o.StopTimeout = 200 * time.Millisecond
	u := b.unitWith("as-stubborn", o)
	b.start(u)
	b.says(u, "ready")
	begin := time.Now()
	b.stop(u)
	took := time.Since(begin)
	t.Logf("stopped %v after its stop timeout", took-o.StopTimeout)
	if took < o.StopTimeout {
		t.Errorf("killed after %v, before its time", took)
	}
	b.empty(u)
	b.alive()
}

// The caller gives up: the service is still being asked, and not killed.
func TestStopGivenUp(t *testing.T) {
	b := setUp(t)
	u := b.unit("as-stubborn")
	b.start(u)
	b.says(u, "ready")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := u.Stop(ctx); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d (", u.run.main.pid)) {
		t.Errorf("error %v, want one that names the process", err)
	}
	if n := len(u.group.processes()); n != 1 {
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

// helper starts a daemon of its own for the part, and kills it when it has
// started the service.
func (b *bench) helper(part string) {
	b.t.Helper()
	self, _ := os.Executable()
	cmd := exec.Command(self, "as-daemon", b.text(part), b.dir, b.cgroup)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if line != "started\n" {
		b.t.Fatalf("the daemon says %q", line)
	}
}

func TestAdopt(t *testing.T) {
	b := setUp(t)
	b.helper("as-parent")
	u := b.unit("as-parent")
	b.says(u, "ready")
	before := u.group.processes()
	for range 2 {
		if running, err := u.Adopt(t.Context()); err != nil || !running {
			t.Fatalf("adopt: %v, %v", running, err)
		}
	}
	if err := u.Start(t.Context(), Env{}); err == nil {
		t.Error("started twice")
	}
	if now := u.group.processes(); !slices.Equal(now, before) {
		t.Errorf("processes %v, were %v", now, before)
	}
	b.ordinary(u.group.processes())
	b.alive()
	syscall.Kill(u.run.main.pid, syscall.SIGKILL)
	if got := b.death(); !strings.Contains(got, "earlier daemon") {
		t.Errorf("told %q", got)
	}
	b.stop(u)
	b.empty(u)
}

// ordinary fails the test unless the processes are as urgent and as expendable as
// any other.
func (b *bench) ordinary(pids []int) {
	b.t.Helper()
	for _, pid := range pids {
		if nice, err := syscall.Getpriority(syscall.PRIO_PROCESS, pid); err != nil || nice != 20 { // the system call says 20-nice
			b.t.Errorf("pid %d: nice %d, %v", pid, 20-nice, err)
		}
		if score := b.read(fmt.Sprintf("/proc/%d/oom_score_adj", pid)); score != "0\n" {
			b.t.Errorf("pid %d: oom_score_adj %q", pid, score)
		}
	}
}

func TestAdoptThenStop(t *testing.T) {
	b := setUp(t)
	b.helper("as-patient")
	u := b.unit("as-patient")
	if running, err := u.Adopt(t.Context()); err != nil || !running {
		t.Fatalf("adopt: %v, %v", running, err)
	}
	b.says(u, "VIPD_EPOCH")
	b.stop(u)
	b.says(u, "asked")
	b.alive()
	b.empty(u)
}

// The same daemon with a new program: its services are still its children.
func TestAdoptOwnChild(t *testing.T) {
	b := setUp(t)
	first := b.unit("as-patient")
	b.start(first)
	b.says(first, "VIPD_EPOCH")
	first.Close()
	second := b.unit("as-patient")
	if running, err := second.Adopt(t.Context()); err != nil || !running {
		t.Fatalf("adopt: %v, %v", running, err)
	}
	syscall.Kill(second.run.main.pid, syscall.SIGKILL)
	if got := b.death(); !strings.HasPrefix(got, "killed by SIGKILL") {
		t.Errorf("told %q", got)
	}
	b.stop(second)
	b.empty(second)
}

// What can't be adopted is killed, so that "not running" is true.
func TestAdoptNothing(t *testing.T) {
	b := setUp(t)
	spoil := map[string]func(u *process){
		"nothing ran":       func(u *process) { u.Stop(t.Context()) },
		"no state file":     func(u *process) { os.Remove(u.files + ".state") },
		"half a state file": func(u *process) { os.WriteFile(u.files+".state", []byte(`{"pid":`), 0o640) },
		"another process": func(u *process) {
			started, _, _ := startOf(os.Getpid())
			state{PID: os.Getpid(), Started: started}.write(u.files + ".state")
		},
		"a later process": func(u *process) { state{PID: u.group.processes()[0], Started: 1}.write(u.files + ".state") },
		"main process ended": func(u *process) {
			was, _ := readState(u.files + ".state")
			syscall.Kill(was.PID, syscall.SIGKILL)
			b.await("end", func() bool { return !slices.Contains(u.group.processes(), was.PID) })
		},
	}
	for name, spoil := range spoil {
		b.helper("as-parent")
		u := b.unit("as-parent")
		b.says(u, "ready")
		spoil(u)
		if running, err := u.Adopt(t.Context()); err != nil || running {
			t.Errorf("%s: adopt: %v, %v", name, running, err)
		}
		b.empty(u)
		b.alive()
		os.Remove(string(u.out))
	}
}

// A leftover of an unknown daemon is cleared by Start too, with control groups
// that it made below.
func TestStartClears(t *testing.T) {
	b := setUp(t)
	b.helper("as-patient")
	u := b.unit("as-patient")
	old := u.group.processes()
	below := filepath.Join(string(u.group), "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(below, "cgroup.procs"), []byte(strconv.Itoa(old[0])), 0); err != nil {
		t.Fatal(err)
	}
	if got := u.group.processes(); !slices.Equal(got, old) {
		t.Errorf("processes %v, want %v", got, old)
	}
	b.start(u)
	if now := u.group.processes(); len(now) != 1 || slices.Contains(now, old[0]) {
		t.Errorf("processes %v, were %v", now, old)
	}
	b.stop(u)
	b.empty(u)
}

func TestSweep(t *testing.T) {
	b := setUp(t)
	b.helper("as-parent")
	b.helper("as-patient")
	gone, kept := b.unit("as-parent"), b.unit("as-patient")
	cleared, err := Sweep(t.Context(), []Unit{kept}, b.options())
	if err != nil || !slices.Equal(cleared, []string{string(gone.group)}) {
		t.Errorf("cleared %v, %v", cleared, err)
	}
	if n := len(kept.group.processes()); n != 1 {
		t.Errorf("%d processes are left of the other one, want 1", n)
	}
	if left := gone.group.processes(); left != nil {
		t.Errorf("left: %v", left)
	}
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

// files counts this process's descriptors.
func (b *bench) files() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		b.t.Fatal(err)
	}
	return len(list)
}
