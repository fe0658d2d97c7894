package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/whole"
)

func TestChanges(t *testing.T) {
	began := time.Now()
	for _, tt := range []struct {
		answers string // one in each millisecond, by host
		want    int
	}{
		{"", 0},
		{"aaaa", 0},
		{"bbbb", 1},
		{"aab", 1},
		{"aabba", 2},
		{"abab", 3},
		{"aaaaaaaaab", 1},
		{"aaaaaaaaaab", 0}, // after the end
	} {
		answered := func(who string, from time.Time) (time.Time, bool) {
			for i, host := range tt.answers {
				at := began.Add(time.Duration(i) * time.Millisecond)
				if who == "hist-"+string(host) && !at.Before(from) {
					return at, true
				}
			}
			return time.Time{}, false
		}
		if got := changes(answered, began, began.Add(10*time.Millisecond)); got != tt.want {
			t.Errorf("%q changes %d times, want %d", tt.answers, got, tt.want)
		}
	}
}

func TestBurnRefuses(t *testing.T) {
	for _, core := range []string{"", "one", "100000"} {
		if err := burn(core); err == nil {
			t.Errorf("core %q was kept busy", core)
		}
	}
}

// A bench that is killed in the middle leaves no busy loop, nor anything else.
func TestKilledUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	exe := whole.Build(t, "vipd/testlab/bench")
	bench := exec.Command(exe, "-n", "1", "-mode", "default", "-scenario", "load")
	// What takes how long to build is no part of the limit.
	bench.Env = append(os.Environ(), builtVariable+"="+whole.Build(t, "vipd/vipd"), "TMPDIR="+t.TempDir())
	var said bytes.Buffer
	bench.Stderr = &said
	if err := bench.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { bench.Wait(); close(ended) }()
	within(t, "a busy loop runs", func() bool {
		select {
		case <-ended:
			whole.NeedLab(t, said.String())
			t.Fatalf("it ended before: %s", &said)
		default:
		}
		return len(running(exe, coreVariable+"=")) > 0
	})
	bench.Process.Kill()
	<-ended
	within(t, "nothing of the bench is left", func() bool { return len(running(exe, "")) == 0 })
}

// within waits until it is so.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	const limit = time.Minute
	for end := time.Now().Add(limit); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// running lists the processes of a program in whose environment the words are.
func running(program, words string) (list []string) {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, link := range links {
		if path, err := os.Readlink(link); err != nil || path != program {
			continue
		}
		environment, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "environ"))
		if strings.Contains(string(environment), words) {
			list = append(list, filepath.Dir(link))
		}
	}
	return list
}

// What becomes of this program without the right to run before others can't.
func TestOrdinary(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("an ordinary user has no such right to lose")
	}
	exe := whole.Build(t, "vipd/testlab/bench")
	cmd := exec.Command(exe, "-n", "-5", "true")
	cmd.Env = append(os.Environ(), ordinaryVariable+"=/usr/bin/nice")
	if out, err := cmd.CombinedOutput(); !strings.Contains(string(out), "Permission denied") {
		t.Errorf("nice -n -5: %v, %s", err, out)
	}
}
