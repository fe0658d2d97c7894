package sched

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sessionVariable has the test's own program be one that raises the priority of its session.
const sessionVariable = "VIPD_TEST_SESSION"

// raiseOnly is that program; it prints what the kernel then says of its session.
func raiseOnly() int {
	if err := raiseSession(); err != nil {
		fmt.Println(err)
		return 1
	}
	text, _ := os.ReadFile("/proc/self/autogroup")
	os.Stdout.Write(text)
	return 0
}

// Where the kernel schedules by sessions, a daemon that leads its own comes before the
// others, and one in a shell's leaves that as it is.
func TestRaiseSession(t *testing.T) {
	if _, err := os.Stat("/proc/self/autogroup"); err != nil {
		t.Skipf("the kernel does not schedule by sessions: %v", err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -1); err != nil {
		t.Skipf("no right to run before others: %v", err)
	}
	for _, leads := range []bool{true, false} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), sessionVariable+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: leads}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if first := strings.Contains(string(out), "nice -20"); first != leads {
			t.Errorf("leads its session: %v; runs first: %v: %s", leads, first, out)
		}
	}
}
