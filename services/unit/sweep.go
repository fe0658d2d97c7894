package unit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"vipd/lease"
)

// Sweep kills what still runs as a process of a unit that is not among these: an
// earlier daemon started it by a configuration that has changed since. Nobody
// would adopt it, and nobody stop it. It returns the control groups that it
// cleared. An empty root is looked up; a host without cgroup2 has nothing to
// sweep.
func Sweep(ctx context.Context, root string, units []Unit) (cleared []string, err error) {
	if root == "" {
		if root, err = lease.CgroupRoot(); err != nil {
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
		if err := cgroup(folder).clear(ctx); err != nil {
			errs = append(errs, fmt.Errorf("clear %s: %w", folder, err))
			continue
		}
		cleared = append(cleared, folder)
	}
	return cleared, errors.Join(errs...)
}
