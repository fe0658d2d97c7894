package rig

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A process goes through three lives; these variables tell it which one it is in.
const (
	stageVariable = "VIPD_RIG_STAGE"
	pidVariable   = "VIPD_RIG_PID"
	userVariable  = "VIPD_RIG_USER"

	workerVariable = "VIPD_RIG_WORKER" // of fuzz workers alone, see tellWorkers

	stageFirst  = "first"  // pid 1 of the private namespaces, see first.go
	stageInside = "inside" // the program proper, below pid 1
)

// entrance is what this process knows about its way into private namespaces.
var entrance struct {
	inside  bool
	refused error // why the host did not let us in
	pid     int   // pid 1 of the namespaces, as the host counts; 0 when unknown
	user    bool  // a user namespace belongs to them
}

// Main runs a package's tests in private namespaces; call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }
//
// Signals and the exit code pass through. Where the host refuses namespaces the tests
// run all the same, and Start skips or fails those that need a laboratory (see Need).
//
// A fuzz worker stays where it is: the process that started it is inside already, and
// gave it descriptors that a further life would lose.
func Main(tests interface{ Run() int }) int {
	if slices.Contains(os.Args, "-test.fuzzworker") {
		beWorker(os.Getenv(workerVariable))
		return tests.Run()
	}
	if entrance.refused = Enter(); entrance.refused == nil {
		tellWorkers()
	}
	return tests.Run()
}

// tellWorkers leaves word of the private namespaces to the fuzz workers that this
// process may start; other programs don't read it.
func tellWorkers() {
	word := strconv.Itoa(entrance.pid)
	if entrance.user {
		word += " user"
	}
	os.Setenv(workerVariable, word)
}

// beWorker takes over what tellWorkers left; without it nothing is private here.
func beWorker(word string) {
	os.Unsetenv(workerVariable)
	pid, user, _ := strings.Cut(word, " ")
	entrance.inside, entrance.user = word != "", user != ""
	entrance.pid, _ = strconv.Atoi(pid)
}

// Enter re-executes this process, with the same arguments, in private network, mount
// and pid namespaces, and in a user namespace when it lacks the rights for those.
// Inside it returns nil. Outside it does not return but exits with the inner process's
// code, unless the host refuses: then the error says why and how to allow it.
func Enter() error {
	if entrance.inside {
		return nil
	}
	switch take(stageVariable) {
	case stageFirst:
		os.Exit(beFirst())
	case stageInside:
		entrance.inside = true
		entrance.pid, _ = strconv.Atoi(take(pidVariable))
		entrance.user = take(userVariable) != ""
		return nil
	}
	code, err := sendInside()
	if err != nil {
		return &Refusal{Reason: err}
	}
	os.Exit(code)
	return nil
}

// take reads a variable and removes it: what is started from here begins its own first
// life.
func take(variable string) string {
	value := os.Getenv(variable)
	os.Unsetenv(variable)
	return value
}

// Outside returns the process id, as the host counts, of pid 1 of the private
// namespaces, and whether a user namespace belongs to them: what an administrator's
// nsenter needs. The id is 0 when it can't be known.
func Outside() (pid int, user bool) { return entrance.pid, entrance.user }

// sendInside starts pid 1 of fresh namespaces, passes signals on to it and returns its
// exit code, or the reason why the namespaces could not be made.
func sendInside() (int, error) {
	runtime.LockOSThread() // the child's parent-death signal follows this thread
	defer runtime.UnlockOSThread()
	verdict, verdictEnd, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer verdict.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageVariable+"="+stageFirst)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{verdictEnd}
	cmd.SysProcAttr = apart()
	if cmd.SysProcAttr.Cloneflags&unix.CLONE_NEWUSER != 0 {
		cmd.Env = append(cmd.Env, userVariable+"=yes")
	}
	signals := catch()
	defer close(signals)
	defer signal.Stop(signals)
	err = cmd.Start()
	verdictEnd.Close()
	if err != nil {
		return 0, err
	}
	go passOn(signals, cmd.Process.Pid)
	reason, _ := io.ReadAll(verdict)
	err = cmd.Wait()
	removeCgroups(cmd.Process.Pid)
	if len(reason) > 0 {
		return 0, errors.New(string(reason))
	}
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		return 0, err
	}
	return exitCode(cmd.ProcessState.Sys().(syscall.WaitStatus)), nil
}

// apart asks for the namespaces. The process group is its own, so that a key pressed
// at the terminal arrives once, through us.
func apart() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
			unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true,
	}
	if !mayAdminister() {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	return attr
}

// mayAdminister says whether this process may make namespaces without a user namespace.
func mayAdminister() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return false
	}
	return sets[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}

// catch subscribes to what a person or a service manager may send us.
func catch() chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT,
		unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH)
	return signals
}

// passOn sends each caught signal to the process pid.
func passOn(signals <-chan os.Signal, pid int) {
	for s := range signals {
		unix.Kill(pid, s.(unix.Signal))
	}
}

// exitCode is the shell's convention: the code, or 128 and the signal's number.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
