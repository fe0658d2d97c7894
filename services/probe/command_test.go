package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/host/cgroup"
	"vipd/host/child"
	"vipd/testlab/rig"
)

// script writes a program to a folder that only this user may change, on the way
// too: the folders of testing are below one where everybody may write.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(safeFolder(t), "check")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func safeFolder(t *testing.T) string {
	t.Helper()
	rig.Need(t, rig.Netns)
	if err := ownRoot(); err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp(rig.Disk, "probe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}

// groupFolder is where the commands of a test are kept together.
func groupFolder(t *testing.T) string {
	t.Helper()
	rig.Need(t, rig.Netns)
	root, err := cgroup.Root()
	if err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	above, err := os.MkdirTemp(root, "vipd-test-probe-")
	if err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(above); err != nil {
			t.Errorf("a check left its control group: %v", err)
		}
	})
	return filepath.Join(above, "check")
}

func TestCommand(t *testing.T) {
	for _, c := range []struct {
		script, arguments string
		ok                bool
		text              string
	}{
		{"exit 0", "", true, "exit status 0"},
		{"echo fine; exit 0", "", true, "exit status 0"},
		{"echo first; echo 'no room left' >&2; echo; exit 2", "", false, "exit status 2: no room left"},
		{"exit 1", "", false, "exit status 1"},
		{"kill -TERM $$", "", false, "signal: terminated"},
		{`[ "$#|$1|$2" = "2|-x|'a" ]`, "  -x  'a", true, "exit status 0"},
		{`[ "$(pwd) ${SECRET-none}" = "/ none" ]`, "", true, "exit status 0"},
		{`yes x | head -c 100000; echo last; exit 3`, "", false, "exit status 3: last"},
	} {
		t.Setenv("SECRET", "of the daemon")
		if ok, text := once(t, "exec:"+script(t, c.script)+c.arguments, Options{}); ok != c.ok || text != c.text {
			t.Errorf("%s: %v %q, want %q", c.script, ok, text, c.text)
		}
	}
	if ok, text := once(t, "exec:/does/not/exist", Options{}); ok || text != "no such file or directory" {
		t.Errorf("a command that is not there: %v %q", ok, text)
	}
	notProgram := filepath.Join(safeFolder(t), "data")
	if err := os.WriteFile(notProgram, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if ok, text := once(t, "exec:"+notProgram, Options{}); ok || text != "permission denied" {
		t.Errorf("a file that may not be run: %v %q", ok, text)
	}
}

// nest starts children in the ways that a process may hide, notes their ids in the
// file $1, and then hangs or ends.
const nest = `
sleep 60 & echo $! >> $1
(sleep 60 & echo $! >> $1) &
setsid sh -c 'echo $$ >> '$1'; exec sleep 60' &
bash -c 'set -m; sleep 60 & echo $! >> '$1
while [ $(wc -l < $1) -lt 4 ]; do sleep 0.01; done
`

// TestNothingOfACommandIsLeft lets a command hang, and one that ends leave
// children, in a control group and without one. Only with one is a child killed
// that has begun a session of its own.
func TestNothingOfACommandIsLeft(t *testing.T) {
	for _, c := range []struct {
		name, end string
		group     bool
		ok        bool
		text      string
		killed    int
	}{
		{"hangs in a control group", "wait", true, false, "timed out after 1s", 4},
		{"ends in a control group", "exit 0", true, true, "exit status 0", 4},
		{"hangs in a session", "wait", false, false, "timed out after 1s", 3},
		{"ends in a session", "exit 0", false, true, "exit status 0", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Timeout: 10 * time.Second}
			if !c.ok {
				o.Timeout = time.Second
			}
			if c.group {
				o.Cgroup = groupFolder(t)
			}
			list := filepath.Join(safeFolder(t), "list")
			if ok, text := once(t, "exec:"+script(t, nest+c.end)+" "+list, o); ok != c.ok || text != c.text {
				t.Errorf("%v %q, want %q", ok, text, c.text)
			}
			children := idsIn(t, list)
			for _, pid := range children[:c.killed] {
				await(t, fmt.Sprintf("the end of %d", pid), func() bool { return !alive(pid) })
			}
			for _, pid := range children[c.killed:] {
				unix.Kill(pid, unix.SIGKILL)
			}
		})
	}
}

// idsIn reads what nest wrote; the child with a session of its own comes last.
func idsIn(t *testing.T, path string) (list []int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for _, word := range strings.Fields(string(text)) {
		pid, _ := strconv.Atoi(word)
		if session, err := unix.Getsid(pid); err == nil && session == pid {
			last = pid
			continue
		}
		list = append(list, pid)
	}
	if last != 0 {
		list = append(list, last)
	}
	if len(list) != 4 {
		t.Fatalf("children %v", list)
	}
	return list
}

// alive is false of a process that is gone or that nobody has waited for.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(text), ") Z ")
}

func await(t *testing.T, what string, come func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !come(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no sign of %s", what)
		}
	}
}

// What a daemon that was killed left in the control group is killed, and a path
// that is no control group is left alone.
func TestCgroupOfACommand(t *testing.T) {
	group := groupFolder(t)
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	_, left, err := processScope{group: cgroup.Group(group)}.start(command{[]string{"/bin/sleep", "60"}}, nil)
	if err != nil || string(left.group) != group {
		t.Fatalf("start: %+v, %v", left, err)
	}
	in := script(t, "grep -q "+filepath.Base(filepath.Dir(group))+" /proc/self/cgroup")
	if ok, text := once(t, "exec:"+in, Options{Cgroup: group}); !ok {
		t.Errorf("the command is not in its control group: %s", text)
	}
	if alive(left.session) {
		t.Error("what was left lives on")
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "folder"), "/proc/none", safeFolder(t)} {
		if ok, text := once(t, "exec:"+script(t, "exit 0"), Options{Cgroup: path}); !ok {
			t.Errorf("with %s: %s", path, text)
		}
		if _, err := os.Stat(path); err == nil && filepath.Base(path) == "folder" {
			t.Errorf("%s was left", path)
		}
	}
}

// A command that can't be killed is waited for by one goroutine, not by many.
func TestOneCommandThatStays(t *testing.T) {
	path := script(t, "exit 0")
	stays := make(chan struct{})
	r := &runner{command: command{[]string{path}}, left: stays}
	if _, err := r.check(t.Context()); err == nil || !strings.Contains(err.Error(), "can't be killed") {
		t.Errorf("a command was started beside one that stays: %v", err)
	}
	close(stays)
	if _, err := r.check(t.Context()); err != nil {
		t.Errorf("when it was gone: %v", err)
	}
}

// A command has no capability, can gain none, and may open its output by name.
func TestCommandHasNoRights(t *testing.T) {
	path := script(t, "grep -Eq '^CapEff:.*0000000000000000' /proc/self/status && grep -Eq '^NoNewPrivs:.*1' /proc/self/status && echo fine > /dev/stderr")
	for _, group := range []string{"", groupFolder(t)} {
		if ok, text := once(t, "exec:"+path, Options{Cgroup: group}); !ok {
			t.Errorf("in control group %q: %s", group, text)
		}
	}
	if ok, text := once(t, "exec:"+path, Options{Rights: child.Rights{User: "no-such-user"}}); ok || !strings.Contains(text, "no user no-such-user") {
		t.Errorf("as a user that is not there: %v %q", ok, text)
	}
}
