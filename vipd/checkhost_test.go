package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vipd/seal"
	"vipd/vipd/config"
)

// An interface that is not there is a warning with its place, on the host that needs it.
func TestCheckHost(t *testing.T) {
	dir := t.TempDir()
	key, path := filepath.Join(dir, "key"), filepath.Join(dir, "vipd.toml")
	text := strings.ReplaceAll(pairFile, "KEY", key)
	os.WriteFile(key, []byte(seal.NewKey().Text()), 0o600)
	for _, c := range []struct{ line, node, want string }{
		{`interface = "lo"`, "hist-a", ""},
		{`interface = "nosuch0"`, "hist-a", `FILE:13:13: vip.front.interface: this host has no interface "nosuch0" now`},
		{`interface = { hist-a = "nosuch0", hist-b = "lo" }`, "hist-a", `FILE:13:24: vip.front.interface.hist-a: this host has no interface "nosuch0" now`},
		{`interface = { hist-a = "nosuch0", hist-b = "lo" }`, "hist-b", ""},
	} {
		if err := os.WriteFile(path, []byte(text+c.line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f := configFile{path: path, judge: askSystemd, self: func(s config.Settings) (config.Node, error) {
			n, _ := s.Node(c.node)
			return n, nil
		}}
		found, err := f.problems(t.Context())
		if err != nil || len(found.wrong) > 0 {
			t.Fatal(err, found.wrong)
		}
		got := ""
		if len(found.warnings) > 0 {
			got = strings.ReplaceAll(found.warnings[0].String(), path, "FILE")
		}
		if len(found.warnings) > 1 || (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("%s on %s: %q, want %q", c.line, c.node, got, c.want)
		}
	}
}
