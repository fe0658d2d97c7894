package unit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vipd/host/cgroup"
)

// A Container is a unit that keeps all its processes below one control group of its
// service group: what a lease of the group's traffic is for. Both back-ends are.
type Container interface {
	// Folder makes that control group, where it is missing, and returns its path;
	// empty where systemd alone knows where the processes are: the unit is not
	// exclusive, or the host has no cgroup2.
	Folder(ctx context.Context) (string, error)
}

// sliceHome is the slice of systemd that all slices of service groups are in, by the
// dash in their names, and the folder of its control group.
const sliceHome = "vipd.slice"

// Homes are the folders below the root of cgroup2 that all control groups of
// services are in: of processes, and of systemd's services.
func Homes() []string { return []string{home, sliceHome} }

// sliceOf is the name of a group's slice. A dash in it would stand for one more
// slice in between.
func sliceOf(group string) string {
	return "vipd-" + strings.ReplaceAll(group, "-", `\x2d`) + ".slice"
}

func (p *process) Folder(context.Context) (string, error) {
	return GroupFolder(p.o.Cgroup, p.o.Group)
}

// Folder starts the slice, which is what makes its control group.
func (s *service) Folder(ctx context.Context) (folder string, err error) {
	root := s.o.Cgroup
	if root == "" && s.o.Exclusive {
		root, _ = cgroup.Root()
	}
	if root == "" || !s.o.Exclusive {
		return "", nil
	}
	err = s.ask(ctx, func(ctx context.Context, l *link) error {
		if err := l.job(ctx, l.StartUnitContext, sliceOf(s.o.Group)); err != nil {
			return err
		}
		folder, err = l.controlGroup(ctx, sliceOf(s.o.Group), "Slice")
		return err
	})
	if err == nil {
		folder = filepath.Join(root, folder)
		_, err = os.Stat(folder)
	}
	if err != nil {
		return "", fmt.Errorf("start %s: %w", sliceOf(s.o.Group), err)
	}
	return folder, nil
}

// controlGroup asks for the control group of a unit, as a path from the root.
func (l *link) controlGroup(ctx context.Context, unit, kind string) (string, error) {
	all, err := l.GetUnitTypePropertiesContext(ctx, unit, kind)
	if err != nil {
		return "", err
	}
	path, _ := all["ControlGroup"].(string)
	return path, nil
}
