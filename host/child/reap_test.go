package child

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Children that no part waits for are reaped, and of those that some part waits for it
// gets every status, however many start and end meanwhile.
func TestReapLeavesWhatIsAwaited(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var reaping sync.WaitGroup
	reaping.Go(func() { Reap(ctx) })
	t.Cleanup(func() { cancel(); reaping.Wait() })
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
	var orphans []int
	for i := range 100 {
		var out strings.Builder
		cmd, err := Start(Rights{}, func(*syscall.SysProcAttr) *exec.Cmd {
			cmd := exec.Command("/bin/sh", "-c", "sleep 0.1 >/dev/null & echo $!; exit $1", "sh", strconv.Itoa(i))
			cmd.Stdout = &out
			return cmd
		})
		if err != nil {
			t.Fatal(err)
		}
		Wait(cmd)
		if code := cmd.ProcessState.ExitCode(); code != i {
			t.Fatalf("exit status %d, want %d: %v", code, i, cmd.ProcessState)
		}
		pid, _ := strconv.Atoi(strings.TrimSpace(out.String()))
		orphans = append(orphans, pid)
	}
	for _, pid := range orphans {
		await(t, "the end of an orphan", func() bool { return gone(pid) })
	}
}

// A child that is awaited keeps its status until it is waited for, though others are
// reaped beside it.
func TestAwaitedChildIsLeft(t *testing.T) {
	start := func() *os.Process {
		p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "exit 7"}, &os.ProcAttr{})
		if err != nil {
			t.Fatal(err)
		}
		await(t, "its end", func() bool { return zombie(p.Pid) })
		return p
	}
	ours, stranger := start(), start()
	Expect(ours.Pid)
	await(t, "a moment without a fork", reapStrangers)
	if !gone(stranger.Pid) {
		t.Error("a child that nothing waits for is still a zombie")
	}
	state, err := ours.Wait()
	if err != nil || state.ExitCode() != 7 {
		t.Errorf("%v, %v", state, err)
	}
	Done(ours.Pid)
}
