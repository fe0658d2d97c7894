package machines

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vipd/seal"
)

// Config is the usual configuration: slower than the default, for two machines and
// their services share few cores with other tests.
const Config = `cluster  = "plant"
key_file = "/etc/vipd/key"

[node.hist-a]
addresses = ["192.0.2.11", "198.51.100.1"]
priority  = 200

[node.hist-b]
addresses = ["192.0.2.12", "198.51.100.2"]
priority  = 100

[vip.front]
address = "192.0.2.10/24"

[heartbeat]
interval  = "200ms"
tolerance = 5
`

// NoDaemon in place of a configuration leaves vipd disabled.
const NoDaemon = "none"

// key is the secret of every cluster in this process.
var key = string(seal.NewKey().Text())

// furnish writes what a machine's disk has of its own before its first boot.
func (m *Machine) furnish(o Options) error {
	files := map[string]string{
		"etc/hostname": m.name + "\n",
		// An empty one would make this a first boot, which enables every service.
		"etc/machine-id": machineID(m.name),
	}
	for name, text := range o.Files {
		if owner, path, one := strings.Cut(name, ":"); !one {
			files[name] = text
		} else if owner == m.name {
			files[path] = text
		}
	}
	if m.name == Database {
		files[clusterFolder+"/conf.d/lab.conf"] = "listen_addresses = '*'\nfsync = off\n"
		files[clusterFolder+"/pg_hba.conf"] = "local all all peer\nhost all all 192.0.2.0/24 trust\n"
		return spread(m.own(), files)
	}
	if o.Config == NoDaemon {
		return spread(m.own(), files)
	}
	if o.Config == "" {
		o.Config = Config
	}
	files["etc/vipd/vipd.toml"] = o.Config
	files["etc/vipd/key"] = key
	if err := spread(m.own(), files); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(m.own(), "etc/vipd/key"), 0o600); err != nil {
		return err
	}
	return enable(m.own(), daemonUnit)
}

// enable makes a unit start at boot.
func enable(disk, unit string) error {
	wants := filepath.Join(disk, "etc/systemd/system/multi-user.target.wants")
	if err := os.MkdirAll(wants, 0o755); err != nil {
		return err
	}
	return os.Symlink(filepath.Join("/", unitFolder, unit), filepath.Join(wants, unit))
}

// machineID makes up what identifies a machine over its boots.
func machineID(name string) string { return fmt.Sprintf("%032x\n", name) }

// Write writes a file of a running machine.
func (m *Machine) Write(path, text string) {
	m.lab.t.Helper()
	err := m.inRoot(func(root *os.Root) error {
		return root.WriteFile(strings.TrimPrefix(path, "/"), []byte(text), 0o644)
	})
	if err != nil {
		m.lab.t.Fatal(err)
	}
}

// Read reads a file of a running machine.
func (m *Machine) Read(path string) (text string) {
	m.lab.t.Helper()
	err := m.inRoot(func(root *os.Root) error {
		read, err := root.ReadFile(strings.TrimPrefix(path, "/"))
		text = string(read)
		return err
	})
	if err != nil {
		m.lab.t.Fatal(err)
	}
	return text
}

// inRoot opens the machine's root; no symbolic link leads out of it.
func (m *Machine) inRoot(use func(*os.Root) error) error {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", m.first))
	if err != nil {
		return fmt.Errorf("open the root of %s: %w", m.name, err)
	}
	defer root.Close()
	return use(root)
}
