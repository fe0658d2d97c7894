package pair

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"vipd/testlab/rig"
)

// ForgetCgroups removes the control groups that a host without power leaves, as its
// kernel would have forgotten them: what was tied to one must not befall the next boot.
func ForgetCgroups(host string) {
	first, _ := rig.Outside()
	var folders []string
	root := filepath.Join("/sys/fs/cgroup", fmt.Sprintf("vipd-lab-%d", first), host)
	filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	for _, folder := range slices.Backward(folders) {
		os.Remove(folder) // all are empty
	}
}
