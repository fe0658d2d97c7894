package lease

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
)

// adoptTable finds the table that an earlier daemon left: through a filter of
// it, or else by the pins in folder. It returns nil when there is none that can
// be read, and why.
func adoptTable(installed map[hook]ebpf.ProgramID, folder string) (*table, error) {
	var reason error
	for _, id := range installed {
		t, err := tableOf(id)
		if err == nil {
			return t, nil
		}
		reason = err
	}
	if folder == "" {
		return nil, reason
	}
	t, err := pinnedTable(folder)
	if err != nil && reason == nil && !os.IsNotExist(err) {
		reason = err
	}
	return t, reason
}

// tableOf is the table that a program uses. To open it by number takes
// CAP_SYS_ADMIN.
func tableOf(id ebpf.ProgramID) (*table, error) {
	program, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return nil, fmt.Errorf("open program %d: %w", id, err)
	}
	defer program.Close()
	info, err := program.Info()
	if err != nil {
		return nil, fmt.Errorf("ask about program %d: %w", id, err)
	}
	ids, _ := info.MapIDs()
	var keys, expiries *ebpf.Map
	for _, id := range ids {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			return nil, fmt.Errorf("open map %d: %w", id, err)
		}
		switch {
		case isMap(m, keysName, ebpf.Hash) && keys == nil:
			keys = m
		case isMap(m, expiriesName, ebpf.Array) && expiries == nil:
			expiries = m
		default:
			m.Close()
		}
	}
	return adoptMaps(keys, expiries, fmt.Sprintf("program %d", id))
}

// adoptMaps takes both maps over, if there are both.
func adoptMaps(keys, expiries *ebpf.Map, whose string) (*table, error) {
	if keys == nil || expiries == nil {
		keys.Close()
		expiries.Close()
		return nil, fmt.Errorf("maps of %s are not of this version", whose)
	}
	return openTable(keys, expiries)
}

// isMap tells a map of ours, of the layout that we know.
func isMap(m *ebpf.Map, name string, kind ebpf.MapType) bool {
	info, err := m.Info()
	return err == nil && info.Name == name && m.Type() == kind
}

// pinnedTable opens the pins of an earlier daemon.
func pinnedTable(folder string) (*table, error) {
	keys, err := ebpf.LoadPinnedMap(filepath.Join(folder, keysName), nil)
	if err != nil {
		return nil, err
	}
	expiries, err := ebpf.LoadPinnedMap(filepath.Join(folder, expiriesName), nil)
	if err != nil {
		keys.Close()
		return nil, err
	}
	return adoptMaps(keys, expiries, folder)
}

// pin leaves the maps in folder, which must lie in a BPF file system, for a
// next daemon without CAP_SYS_ADMIN. What else was pinned there is replaced.
func (t *table) pin(folder string) error {
	if t.keys.IsPinned() {
		return nil // it was adopted from there
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for name, m := range map[string]*ebpf.Map{keysName: t.keys, expiriesName: t.expiries} {
		path := filepath.Join(folder, name)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := m.Pin(path); err != nil {
			return fmt.Errorf("pin %s: %w", path, err)
		}
	}
	return nil
}

func unpin(folder string) {
	os.Remove(filepath.Join(folder, keysName))
	os.Remove(filepath.Join(folder, expiriesName))
	os.Remove(folder)
}
