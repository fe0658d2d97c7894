package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
)

// ordinaryVariable makes this program become the one it names, with the same arguments
// and without the right to run before others.
const ordinaryVariable = "VIPD_BENCH_ORDINARY"

// ordinary is a daemon without that right.
func ordinary(run pair.Program) pair.Program {
	return func(node string) (rig.Process, error) {
		what, err := run(node)
		what.Env = append(what.Env, ordinaryVariable+"="+what.Path)
		what.Path = "/proc/self/exe"
		return what, err
	}
}

// become drops the right, for good, and turns into the program. It returns only if it
// can't.
func become(path string) error {
	runtime.LockOSThread() // what runs is as this thread is
	if err := unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_NICE, 0, 0, 0); err != nil {
		return fmt.Errorf("drop CAP_SYS_NICE: %w", err)
	}
	none := unix.Rlimit{}
	if err := unix.Setrlimit(unix.RLIMIT_NICE, &none); err != nil {
		return fmt.Errorf("set the limit of nice to 0: %w", err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, 0); err != nil {
		return fmt.Errorf("run at the ordinary priority: %w", err)
	}
	os.Unsetenv(ordinaryVariable)
	return fmt.Errorf("become %s: %w", path, syscall.Exec(path, append([]string{path}, os.Args[1:]...), os.Environ()))
}
