package unit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// theDay is when a test opens a service's output.
var theDay = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// forever is longer than any test.
const forever = 10 * time.Minute

// asPatient says its environment and waits to be asked to end.
func asPatient([]string) int {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM) // first: the test stops it as soon as it has printed
	fmt.Println(strings.Join(os.Environ(), " "))
	<-asked
	fmt.Println("asked")
	return 0
}

// asStubborn doesn't end when asked.
func asStubborn([]string) int {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("ready")
	time.Sleep(forever)
	return 0
}

// asParent starts a child that leaves its session and ignores SIGTERM.
func asParent([]string) int {
	child := exec.Command("/proc/self/exe", "as-stubborn")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.Stdout = os.Stdout
	if err := child.Start(); err != nil {
		return 1
	}
	return asPatient(nil)
}

// asSpeaker says something and ends with the exit status.
func asSpeaker(args []string) int {
	fmt.Println("first words")
	fmt.Fprintln(os.Stderr, strings.Join(args[1:], " "))
	status, _ := strconv.Atoi(args[0])
	return status
}

// asDaemon starts a unit, in a hurry and with a score for when memory is short,
// and stays.
func asDaemon(args []string) int {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		id, _ := strconv.Atoi(t.Name())
		unix.Setpriority(unix.PRIO_PROCESS, id, -20)
	}
	os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0) // less than 0 is not allowed everywhere
	u, err := New(args[0], Options{Group: "g", Dir: args[1], Cgroup: args[2]})
	if err == nil {
		err = u.Start(context.Background(), Env{Epoch: 1, Token: "group:g", Node: "hist-a", Role: "active"})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("started")
	time.Sleep(forever)
	return 0
}

// asChatterer says more than anybody wants to keep.
func asChatterer([]string) int {
	fmt.Print(strings.Repeat("much ado\n", outputMax/4))
	return asPatient(nil)
}
