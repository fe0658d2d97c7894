package pair

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vipd/seal"
	"vipd/testlab/rig"
)

// Program says how to run the daemon of a node. Its output is the supervisor's.
type Program func(node string) (rig.Process, error)

// RunDir is where vipd's socket and lease page are: its usual place, as each host has a
// /run of its own.
const RunDir = "/run/vipd"

const (
	configFile = rig.Disk + "/vipd.toml"
	keyFile    = rig.Disk + "/key"
)

// VIPD is the program vipd at exe.
func VIPD(exe string) Program {
	return func(node string) (rig.Process, error) {
		state := filepath.Join(rig.Disk, node) // outlives a power cut
		if err := os.MkdirAll(state, 0o700); err != nil {
			return rig.Process{}, err
		}
		return rig.Process{Path: exe, Args: []string{
			"run", "--config", configFile, "--node", node, "--run-dir", RunDir, "--state-dir", state,
		}}, nil
	}
}

// WriteVIPD puts vipd's configuration and a new key on the disk that the hosts share.
// More is added to the file's end, which is about the address.
func WriteVIPD(cluster string, onePath bool, more string) error {
	if err := os.WriteFile(keyFile, seal.NewKey().Text(), 0o600); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return ChangeVIPD(cluster, onePath, more)
}

// ChangeVIPD is WriteVIPD with the key left as it is.
func ChangeVIPD(cluster string, onePath bool, more string) error {
	text := configuration(cluster, onePath) + more
	if err := os.WriteFile(configFile, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// configuration is the file of both nodes.
func configuration(cluster string, onePath bool) string {
	addresses := func(list ...string) string {
		if onePath {
			list = list[:1]
		}
		return `["` + strings.Join(list, `", "`) + `"]`
	}
	return fmt.Sprintf(`cluster  = %q
key_file = %q

[node.hist-a]
addresses = %s
priority  = 200

[node.hist-b]
addresses = %s
priority  = 100

[vip.front]
address = %q
`, cluster, keyFile, addresses("192.0.2.11", "198.51.100.1"), addresses("192.0.2.12", "198.51.100.2"), Shared)
}
