package unit

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// launch starts a program in the control group, with a process group of its
// own, and returns its main process. Output goes where out leads.
func launch(argv, env []string, group cgroup, out *os.File) (*mainProcess, error) {
	folder, err := os.Open(string(group))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	nothing, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	var pidfd int // every kernel that clones into a control group gives one
	// A session of its own: the daemon's may come before others.
	attr := &os.ProcAttr{
		Dir: "/", Env: env, Files: []*os.File{nothing, out, out},
		Sys: &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(folder.Fd()), PidFD: &pidfd},
	}
	var child *os.Process
	err = calmly(func() (err error) {
		child, err = os.StartProcess(argv[0], argv, attr)
		return err
	})
	if err != nil {
		return nil, err
	}
	pid := child.Pid
	child.Release()
	for _, pid := range group.processes() {
		pardon(pid)
	}
	return &mainProcess{pid: pid, file: pidfdFile(pidfd), child: true}, nil
}

// calmly runs start on a thread of ordinary scheduling, which the child
// inherits from that thread: it must not run before others because we do. Reset
// on fork keeps it so if our priority is raised in between.
func calmly(start func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its scheduling
		ordinary := unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}
		_ = unix.SchedSetAttr(0, &ordinary, 0) // refused only to who runs after others already
		done <- start()
	}()
	return <-done
}

// pardon takes from a process what the daemon has against being killed when
// memory is short: raising the score is allowed to everybody.
func pardon(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("0"), 0) // it may be gone
}
