package child

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// here copies the test's program to where every user may run it.
func here(t *testing.T) string {
	t.Helper()
	rig.Need(t, rig.Netns)
	folder, err := os.MkdirTemp("/tmp", "child")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	text, err := os.ReadFile("/proc/self/exe")
	path := filepath.Join(folder, "tell")
	if err = errors.Join(err, os.Chmod(folder, 0o755), os.WriteFile(path, text, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// run starts the program with the rights and returns what it tells.
func run(t *testing.T, path string, r Rights) (got told) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd, err := Start(r, func(*syscall.SysProcAttr) *exec.Cmd {
		cmd := exec.Command(path, "tell", "all")
		cmd.Env = []string{"A=b"}
		cmd.Dir = "/"
		cmd.Stdout, cmd.Stderr = &out, &errOut
		return cmd
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Wait(cmd); err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %q", err, out.String())
	}
	return got
}

// hurried has this process be what the daemon is: before others, and protected from
// the OOM killer, as far as the host allows.
func hurried(t *testing.T) {
	t.Helper()
	own, _ := os.ReadFile("/proc/self/oom_score_adj")
	if os.WriteFile("/proc/self/oom_score_adj", []byte("-900"), 0) == nil {
		t.Cleanup(func() { os.WriteFile("/proc/self/oom_score_adj", own, 0) })
	}
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	var was unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &was) == nil {
		_ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
		t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &was) })
	}
	_ = unix.Setrlimit(unix.RLIMIT_NICE, &unix.Rlimit{Cur: 40, Max: 40})
	threads, _ := filepath.Glob("/proc/self/task/*")
	for _, folder := range threads {
		id, _ := strconv.Atoi(filepath.Base(folder))
		if unix.Setpriority(unix.PRIO_PROCESS, id, -15) == nil {
			t.Cleanup(func() { _ = unix.Setpriority(unix.PRIO_PROCESS, id, 0) })
		}
	}
}

// ordinary checks a command that was given no right.
func (got told) ordinary(t *testing.T, capabilities string) {
	t.Helper()
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
		if got.Status[set] != capabilities {
			t.Errorf("%s %s, want %s", set, got.Status[set], capabilities)
		}
	}
	if have, _ := ownCapabilities(); have.has(unix.CAP_SETPCAP) && got.Status["CapBnd"] != capabilities {
		t.Errorf("CapBnd %s, want %s", got.Status["CapBnd"], capabilities)
	}
	for key, want := range map[string]string{"NoNewPrivs": "1", "SigIgn": "0000000000000000", "SigBlk": "0000000000000000"} {
		if got.Status[key] != want {
			t.Errorf("%s %s, want %s", key, got.Status[key], want)
		}
	}
	if got.OOM != "0" || got.Nice < 0 || got.NiceMax.Max != 0 || got.Prio.Max != 0 || got.Memlock.Max > lockedMemory || !got.Session {
		t.Errorf("OOM score %s, nice %d, limits of nice %v, of real-time priority %v, of locked memory %v, own session %v",
			got.OOM, got.Nice, got.NiceMax, got.Prio, got.Memlock, got.Session)
	}
	if got.Files2 != "" {
		t.Errorf("its standard error can't be opened: %s", got.Files2)
	}
	if len(got.Env) != 1 || got.Env[0] != "A=b" {
		t.Errorf("environment %q", got.Env)
	}
}

const noCapabilities = "0000000000000000"

// A command has no right of the daemon's, from its first instruction on, though the
// daemon has priority, protection and every capability.
func TestNothingIsInherited(t *testing.T) {
	path := here(t)
	hurried(t)
	for range 5 {
		run(t, path, Rights{}).ordinary(t, noCapabilities)
	}
	own, _ := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	if got := run(t, path, Rights{}); got.Keyring != 0 && got.Keyring == own {
		t.Error("it has the daemon's session keyring")
	}
}

// The daemon's own threads keep their rights.
func TestDaemonKeepsItsRights(t *testing.T) {
	path := here(t)
	before, err := ownCapabilities()
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		run(t, path, Rights{})
	}
	threads, _ := filepath.Glob("/proc/self/task/*/status")
	first := "/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/status"
	for _, file := range append(threads, first) {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if file == first && strings.Contains(string(text), "NoNewPrivs:\t1") {
			t.Error("the process's first thread has given up its rights")
		}
	}
	if after, _ := ownCapabilities(); after != before {
		t.Errorf("capabilities %x, were %x", after, before)
	}
}

// anotherUser is a user that this process may become, and its number.
func anotherUser(t *testing.T) (string, string) {
	t.Helper()
	if err := (Rights{User: "nobody"}).Check(); err != nil {
		t.Skipf("no user to become: %v", err)
	}
	id, err := Rights{User: "nobody"}.identity()
	if err != nil {
		t.Fatal(err)
	}
	return "nobody", strconv.Itoa(int(id.uid))
}

// The file may name another user, and capabilities.
func TestUserAndCapabilities(t *testing.T) {
	path := here(t)
	name, number := anotherUser(t)
	hurried(t)
	four := number + " " + number + " " + number + " " + number
	got := run(t, path, Rights{User: name})
	got.ordinary(t, noCapabilities)
	if got.Status["Uid"] != four {
		t.Errorf("user %s, want %s", got.Status["Uid"], number)
	}
	got = run(t, path, Rights{User: name, Capabilities: []string{"CAP_NET_RAW"}})
	got.ordinary(t, "0000000000002000")
	got = run(t, path, Rights{User: "root", Group: "4", Capabilities: []string{"CAP_NET_RAW"}})
	got.ordinary(t, "0000000000002000")
	if got.Status["Gid"] != "4 4 4 4" || got.Status["Uid"] != "0 0 0 0" {
		t.Errorf("user %s, group %s", got.Status["Uid"], got.Status["Gid"])
	}
	got = run(t, path, Rights{User: number, Group: "root"})
	if got.Status["Uid"] != four || got.Status["Gid"] != "0 0 0 0" {
		t.Errorf("by number: user %s, group %s", got.Status["Uid"], got.Status["Gid"])
	}
	have, _ := ownCapabilities()
	if got = run(t, path, Rights{User: "root", Capabilities: []string{All}}); got.Status["NoNewPrivs"] != "0" || got.Status["CapEff"] != hex(have) {
		t.Errorf("with all: new privileges %s, capabilities %s of %s", got.Status["NoNewPrivs"], got.Status["CapEff"], hex(have))
	}
}

func hex(s capabilitySet) string {
	text := strconv.FormatUint(uint64(s), 16)
	return strings.Repeat("0", 16-len(text)) + text
}

// Rights that mean no user here, or can't be given, are named by their key.
func TestRightsThatCantBe(t *testing.T) {
	for _, c := range []struct {
		rights Rights
		key    string
		item   int
	}{
		{Rights{User: "no-such-user"}, "user", 0},
		{Rights{User: "4000000"}, "user", 0},
		{Rights{Group: "no-such-group"}, "group", 0},
		{Rights{Capabilities: []string{"CAP_NET_RAW", "CAP_NET_ROW"}}, "capabilities", 1},
	} {
		var wrong *Error
		if err := c.rights.Lookup(); !errors.As(err, &wrong) || wrong.Key != c.key || wrong.Item != c.item {
			t.Errorf("%+v: %v", c.rights, err)
		}
	}
	if err := (Rights{}).Check(); err != nil {
		t.Errorf("no rights at all: %v", err)
	}
}

// Programs that would fail at their start are known before.
func TestCheckProgram(t *testing.T) {
	folder := filepath.Dir(here(t))
	for name, text := range map[string]string{"script": "#!/bin/sh\n", "windows": "#!/bin/sh\r\nexit 0\r\n", "lost": "#!/no/such/shell\n", "text": "exit 0\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(folder, "plain"), []byte("#!/bin/sh\n"), 0o644), os.Mkdir(filepath.Join(folder, "closed"), 0o700),
		os.WriteFile(filepath.Join(folder, "closed/script"), []byte("#!/bin/sh\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"script": "", "tell": "", "windows": "Windows", "lost": "interpreter", "text": "format",
		"plain": "permission denied", "none": "no such file", ".": "not a file", "closed/script": ""} {
		if want == "format" && otherFormats() {
			continue
		}
		err := Rights{}.CheckProgram(filepath.Join(folder, name))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	name, _ := anotherUser(t)
	if err := (Rights{User: name}).CheckProgram(filepath.Join(folder, "closed/script")); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("a folder that is closed to the user: %v", err)
	}
}

// A daemon with locked memory may map more while a command is started.
func TestLockedMemoryGrows(t *testing.T) {
	out, err := exec.Command(here(t), "locked", "all").CombinedOutput()
	if strings.HasPrefix(string(out), "SKIP") {
		t.Skipf("no right to lock memory: %s", out)
	}
	if err != nil || string(out) != "16 <nil>\n" {
		t.Errorf("%v: %s", err, out)
	}
}
