package machines

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vipd/seal"
	"vipd/testlab/machines/image"
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

// secret is the key of every cluster in this process.
var secret = string(seal.NewKey().Text())

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
		files[image.Cluster+"/conf.d/lab.conf"] = "listen_addresses = '*'\nfsync = off\n"
		files[image.Cluster+"/pg_hba.conf"] = "local all all peer\nhost all all 192.0.2.0/24 trust\n"
		return spread(m.own(), files)
	}
	if o.Config == NoDaemon {
		return spread(m.own(), files)
	}
	if o.Config == "" {
		o.Config = Config
	}
	files["etc/vipd/vipd.toml"] = o.Config
	files["etc/vipd/key"] = secret
	if err := spread(m.own(), files); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(m.own(), "etc/vipd/key"), 0o600); err != nil {
		return err
	}
	if o.Idle {
		return nil
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

// spread writes files below a directory, by their paths in it.
func spread(directory string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
