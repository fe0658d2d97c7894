package addresses

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/vipd/config"
)

func shell(script string) config.Hook { return config.Hook{Argv: []string{"/bin/sh", "-c", script}} }

func TestHooksRunInOrderAndGetTheirWords(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	t.Setenv("SECRET", "of the daemon")
	say := shell("echo $VIPD_ROLE $VIPD_TOKEN $VIPD_NODE $VIPD_EPOCH $(pwd) ${SECRET-none} >> " + out)
	runs := make(chan hookRun, 2)
	for _, role := range []string{"active", "standby"} {
		runs <- hookRun{[]config.Hook{shell("echo " + role + " >> " + out), say}, time.Second * 5, hookEnvironment("hist-a", "vip:front", role, 513)}
	}
	close(runs)
	runHooks(runs, func(s string) { t.Error(s) })
	got, _ := os.ReadFile(out)
	want := "active\nactive vip:front hist-a 513 / none\nstandby\nstandby vip:front hist-a 513 / none\n"
	if string(got) != want {
		t.Errorf("hooks wrote\n%swant\n%s", got, want)
	}
}

func TestAFailingHookIsReportedAndTheNextRuns(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	var said []string
	hookRun{[]config.Hook{{Argv: []string{"/no/such/program", "-x"}}, shell("echo broken >&2; exit 3"), shell("echo ran > " + out)},
		5 * time.Second, nil}.run(func(s string) { said = append(said, s) })
	if len(said) != 2 || !strings.Contains(said[0], "/no/such/program -x") || !strings.Contains(said[1], "exit status 3: broken") {
		t.Errorf("reported %q", said)
	}
	if _, err := os.Stat(out); err != nil {
		t.Error("the next hook did not run")
	}
}

// Time is over for the whole process group, not for the first process alone.
func TestATimeoutKillsTheWholeGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	var said []string
	hookRun{[]config.Hook{shell("sleep 60 & echo $! > " + file + "; wait")}, 300 * time.Millisecond, []string{"PATH=/bin:/usr/bin"}}.
		run(func(s string) { said = append(said, s) })
	if len(said) != 1 || !strings.Contains(said[0], "killed: not done within 300ms") {
		t.Errorf("reported %q", said)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	child, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	for end := time.Now().Add(5 * time.Second); running(child); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the child of the hook lives on")
		}
	}
}

// running is false of a process that is gone or that nobody has waited for.
func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && unix.Kill(pid, 0) == nil && !strings.Contains(string(text), ") Z ")
}

// A hook that starts something which stays has done its work.
func TestAHookMayLeaveSomethingRunning(t *testing.T) {
	hookRun{[]config.Hook{shell("sleep 3 & exit 0")}, 10 * time.Second, []string{"PATH=/bin:/usr/bin"}}.run(func(s string) { t.Error(s) })
}

// A hook has no capability and can gain none, unless the file gives it some.
func TestHookHasNoRights(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	hook := shell("grep -E '^(CapEff|NoNewPrivs)' /proc/self/status > " + out + "; echo by name > /dev/stderr")
	run := func(h config.Hook) string {
		hookRun{[]config.Hook{h}, 30 * time.Second, []string{"PATH=/bin:/usr/bin"}}.run(func(s string) { t.Error(s) })
		text, _ := os.ReadFile(out)
		return string(text)
	}
	if got := run(hook); got != "CapEff:\t0000000000000000\nNoNewPrivs:\t1\n" {
		t.Errorf("a hook has\n%s", got)
	}
	hook.Rights.Capabilities = []string{"CAP_NET_ADMIN"}
	if hook.Rights.Check() != nil {
		return // this process has none to give
	}
	if got := run(hook); got != "CapEff:\t0000000000001000\nNoNewPrivs:\t1\n" {
		t.Errorf("a hook that was given CAP_NET_ADMIN has\n%s", got)
	}
}
