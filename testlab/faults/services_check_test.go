package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A check's command that leaves a child in a session of its own leaves nothing: it has
// a control group to itself, which is cleared after each check.
func TestCheckLeavesNothing(t *testing.T) {
	t.Parallel()
	const child = "/bin/sleep 9876543"
	p := newPlant(t, `check = ["http://127.0.0.1:7802/"]`, `check = ["exec:/usr/bin/setsid --fork `+child+`"]`)
	p.start()
	most := 0
	for range 50 { // of a check that is made every 100 ms
		time.Sleep(20 * time.Millisecond)
		most = max(most, processesOf(child))
	}
	if n := 2 * len([]*node{p.a, p.b}); most > n { // one of each, and the one that is just being killed
		t.Errorf("%d processes of checks at a time", most)
	}
	for _, n := range []*node{p.a, p.b} {
		n.expect(0, "", "group", "stop", dataGroup, "--node", n.name)
	}
	p.eventually("nothing of the checks is left", func() bool { return processesOf(child) == 0 })
}

// processesOf counts those that run the command line, on whatever host.
func processesOf(line string) (n int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, _ := os.ReadFile(file) // gone: empty
		if strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " ")) == line {
			n++
		}
	}
	return n
}
