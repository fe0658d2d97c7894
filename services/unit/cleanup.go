package unit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"vipd/host/cgroup"
)

// Sweep stops what still runs of a unit that is not among these: an earlier daemon
// started it by a configuration that has changed since. Nobody would adopt it, and
// nobody stop it. It returns what it stopped: control groups of processes, and names
// of systemd's services. Of the options it takes where things are.
func Sweep(ctx context.Context, units []Unit, o Options) (stopped []string, err error) {
	processes, err := cleanupProcesses(ctx, units, o.Cgroup)
	services, failed := cleanupServices(ctx, units, o)
	return append(processes, services...), errors.Join(err, failed)
}

// cleanupProcesses kills processes. An empty root is looked up; a host without cgroup2
// has none.
func cleanupProcesses(ctx context.Context, units []Unit, root string) (cleared []string, err error) {
	if root == "" {
		if root, err = cgroup.Root(); err != nil {
			return nil, nil
		}
	}
	ours := make(map[string]bool)
	for _, u := range units {
		if p, ok := u.(*process); ok {
			ours[string(p.group)] = true
		}
	}
	folders, err := filepath.Glob(filepath.Join(root, home, "*", "*"))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, folder := range folders {
		if about, err := os.Stat(folder); err != nil || !about.IsDir() || ours[folder] {
			continue
		}
		if err := clearGroup(ctx, cgroup.Group(folder)); err != nil {
			errs = append(errs, fmt.Errorf("clear %s: %w", folder, err))
			continue
		}
		cleared = append(cleared, folder)
	}
	return cleared, errors.Join(errs...)
}

// cleanupServices has systemd stop the services whose environment is there: it is made at
// each start and gone after a stop.
func cleanupServices(ctx context.Context, units []Unit, o Options) (stopped []string, err error) {
	files, err := filepath.Glob(filepath.Join(o.Dir, "*", "*"+environmentSuffix))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, file := range files {
		name := unescape(strings.TrimSuffix(filepath.Base(file), environmentSuffix))
		known := slices.ContainsFunc(units, func(u Unit) bool { return u.Name() == name })
		if known || !strings.HasSuffix(name, ".service") {
			continue
		}
		ran, err := cleanupService(ctx, name, filepath.Base(filepath.Dir(file)), o)
		if err != nil {
			errs = append(errs, err)
		} else if ran {
			stopped = append(stopped, name)
		}
	}
	return stopped, errors.Join(errs...)
}

// cleanupService stops a service that an earlier daemon started, and takes away what it had
// added to it. It reports whether anything of it was there.
func cleanupService(ctx context.Context, name, group string, o Options) (ran bool, err error) {
	o.Group = group
	made, err := New(name, o)
	if err != nil {
		return false, err
	}
	defer made.Close()
	s := made.(*service)
	err = s.ask(ctx, func(ctx context.Context, l *link) error {
		left, err := s.left(ctx, l)
		if ran = ran || left != ""; err == nil && left != "" {
			err = s.halt(ctx, l)
		}
		if err == nil {
			err = s.dropIn.remove()
		}
		if err == nil {
			err = l.ReloadContext(ctx)
		}
		return err
	})
	if err != nil {
		return ran, fmt.Errorf("stop %s, which the configuration has no more: %w", name, err)
	}
	return ran, s.dropIn.unset()
}

// unescape is the name that systemd's escape of object paths was made from.
func unescape(escaped string) string {
	var name strings.Builder
	for i := 0; i < len(escaped); i++ {
		if escaped[i] == '_' && i+2 < len(escaped) {
			if code, err := strconv.ParseUint(escaped[i+1:i+3], 16, 8); err == nil {
				name.WriteByte(byte(code))
				i += 2
				continue
			}
		}
		name.WriteByte(escaped[i])
	}
	return name.String()
}
