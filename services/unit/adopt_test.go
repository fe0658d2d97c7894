package unit

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

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
	before := u.group.Processes()
	for range 2 {
		if running, err := u.Adopt(t.Context()); err != nil || !running {
			t.Fatalf("adopt: %v, %v", running, err)
		}
	}
	if err := u.Start(t.Context(), Env{}); err == nil {
		t.Error("started twice")
	}
	if now := u.group.Processes(); !slices.Equal(now, before) {
		t.Errorf("processes %v, were %v", now, before)
	}
	b.ordinary(u.group.Processes())
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
		"a later process": func(u *process) { state{PID: u.group.Processes()[0], Started: 1}.write(u.files + ".state") },
		"main process ended": func(u *process) {
			was, _ := readState(u.files + ".state")
			syscall.Kill(was.PID, syscall.SIGKILL)
			b.await("end", func() bool { return !slices.Contains(u.group.Processes(), was.PID) })
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
	old := u.group.Processes()
	below := filepath.Join(string(u.group), "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(below, "cgroup.procs"), []byte(strconv.Itoa(old[0])), 0); err != nil {
		t.Fatal(err)
	}
	if got := u.group.Processes(); !slices.Equal(got, old) {
		t.Errorf("processes %v, want %v", got, old)
	}
	b.start(u)
	if now := u.group.Processes(); len(now) != 1 || slices.Contains(now, old[0]) {
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
	if n := len(kept.group.Processes()); n != 1 {
		t.Errorf("%d processes are left of the other one, want 1", n)
	}
	if left := gone.group.Processes(); left != nil {
		t.Errorf("left: %v", left)
	}
}
