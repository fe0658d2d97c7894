package unit

import (
	"os"
	"os/exec"
	"syscall"

	"vipd/host/cgroup"
	"vipd/host/child"
)

// launch starts a program in the control group, with the rights and a session of its
// own, and returns its main process. Output goes where out leads.
func launch(argv, env []string, rights child.Rights, group cgroup.Group, out *os.File) (*mainProcess, error) {
	folder, err := os.Open(string(group))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	var pidfd int // every kernel that clones into a control group gives one
	cmd, err := child.Start(rights, func(attr *syscall.SysProcAttr) *exec.Cmd {
		attr.UseCgroupFD, attr.CgroupFD, attr.PidFD = true, int(folder.Fd()), &pidfd
		return &exec.Cmd{Path: argv[0], Args: argv, Dir: "/", Env: env, Stdout: out, Stderr: out}
	})
	if err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	cmd.Process.Release()
	return &mainProcess{pid: pid, file: pidfdFile(pidfd), child: true}, nil
}
