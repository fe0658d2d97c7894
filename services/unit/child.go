package unit

import (
	"os"
	"syscall"

	"vipd/host/cgroup"
	"vipd/services/child"
)

// launch starts a program in the control group, with the rights and a session of its
// own, and returns its main process. Output goes where out leads.
func launch(argv, env []string, rights child.Rights, group cgroup.Group, out *os.File) (*mainProcess, error) {
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
	var started *os.Process
	err = child.Start(rights, func(attr *syscall.SysProcAttr) (int, error) {
		attr.UseCgroupFD, attr.CgroupFD, attr.PidFD = true, int(folder.Fd()), &pidfd
		started, err = os.StartProcess(argv[0], argv, &os.ProcAttr{Dir: "/", Env: env, Files: []*os.File{nothing, out, out}, Sys: attr})
		if err != nil {
			return 0, err
		}
		return started.Pid, nil
	})
	if err != nil {
		return nil, err
	}
	pid := started.Pid
	started.Release()
	return &mainProcess{pid: pid, file: pidfdFile(pidfd), child: true}, nil
}
