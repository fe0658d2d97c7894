package machines

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	hostgroup "vipd/host/cgroup"
	"vipd/testlab/program"
	"vipd/testlab/rig"
)

const (
	// groupVariable tells the lives of a test process after the first, see
	// rig.Enter, which control group is theirs, or why there is none.
	groupVariable   = "VIPD_MACHINES_GROUP"
	refusalVariable = "VIPD_MACHINES_REFUSAL"
	// guardVariable makes a process the guard of that control group.
	guardVariable = "VIPD_MACHINES_GUARD"
)

// home is the control group of this process's machines, or why there is none.
var home struct {
	cgroup  cgroup
	refused string
}

// Main runs a package's tests; call it from TestMain in place of rig.Main. When the
// tests end, or are killed, nothing of their machines is left.
func Main(tests interface{ Run() int }) int {
	if kept := os.Getenv(guardVariable); kept != "" {
		return guard(cgroup(kept))
	}
	if Has() == nil {
		program.Build(daemonSource, writerSource)
	}
	if os.Getenv(groupVariable) == "" && os.Getenv(refusalVariable) == "" {
		release, err := begin()
		if err != nil {
			os.Setenv(refusalVariable, err.Error())
		}
		defer release()
	}
	return rig.Main(inside{tests})
}

// inside is the tests in the life in which they run.
type inside struct{ tests interface{ Run() int } }

func (i inside) Run() int {
	home.refused = os.Getenv(refusalVariable)
	if root, err := hostgroup.Root(); err == nil && home.refused == "" {
		home.cgroup = cgroup(root).sub(os.Getenv(groupVariable))
	}
	os.Unsetenv(groupVariable) // what is started from here has a first life of its own
	os.Unsetenv(refusalVariable)
	defer program.Remove()
	return i.tests.Run()
}

// begin makes the control group of this process's machines, and starts its guard,
// which lives as long as this process, its first life, and a moment more.
func begin() (release func(), err error) {
	nothing := func() {}
	root, err := hostgroup.Root()
	if err != nil {
		return nothing, err
	}
	kept, err := os.MkdirTemp(root, "vipd-machines-")
	if err != nil {
		return nothing, err
	}
	release, err = startGuard(kept)
	if err != nil {
		os.Remove(kept)
		return nothing, err
	}
	os.Setenv(groupVariable, filepath.Base(kept))
	return release, nil
}

// startGuard starts the guard of a control group. It is told of our end by a pipe: the
// kernel closes it whichever way we end, and release does where the tests run in this
// life.
func startGuard(kept string) (release func(), err error) {
	held, end, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer held.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), guardVariable+"="+kept)
	cmd.Stdin = held
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		end.Close()
		return nil, err
	}
	return func() { end.Close(); cmd.Wait() }, nil
}

// guard waits until the process that started it is gone, then ends what is left in the
// control group.
func guard(kept cgroup) int {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	io.Copy(io.Discard, os.Stdin)
	if err := kept.end(); err != nil {
		return 1
	}
	return 0
}
