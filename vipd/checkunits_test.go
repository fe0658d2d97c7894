package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vipd/seal"
	"vipd/services/unit"
	"vipd/vipd/config"
)

// The services of groups are judged by this host's systemd, if this host is a node and
// has one; else one line says why not, and the file is valid all the same.
func TestCheckUnits(t *testing.T) {
	dir := t.TempDir()
	key, path := filepath.Join(dir, "key"), filepath.Join(dir, "vipd.toml")
	text := strings.ReplaceAll(pairFile, "KEY", key) + `
[group.dataserver]
run   = "both"
units = ["exec:/usr/bin/true.service", "bad.service", "good.service"]
`
	for file, text := range map[string]string{key: string(seal.NewKey().Text()), path: text} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stranger := errors.New("this host is none of the nodes: it has 203.0.113.1")
	for _, c := range []struct {
		name    string
		self    error
		verdict error // of bad.service
		asked   string
		want    string
	}{
		{"good", nil, nil, "dataserver/bad.service dataserver/good.service", "FILE: valid\n"},
		{"enabled", nil, errors.New("it starts at boot by itself, on every node: systemctl disable bad.service"), "dataserver/bad.service dataserver/good.service",
			"FILE:16:40: group.dataserver.units: it starts at boot by itself, on every node: systemctl disable bad.service\nFILE: invalid, 1 error\n"},
		{"no systemd", nil, fmt.Errorf("%w: connect to systemd: no such file", unit.ErrNoSystemd), "dataserver/bad.service",
			"FILE: systemd could not be asked about units: no systemd: connect to systemd: no such file\nFILE: valid\n"},
		{"another host", stranger, errors.New("never asked"), "", "FILE: systemd is not asked about units: this host is none of the nodes: it has 203.0.113.1\nFILE: valid\n"},
	} {
		var asked []string
		f := configFile{path: path,
			self: func(config.Settings) (config.Node, error) { return config.Node{}, c.self },
			judge: func(_ context.Context, group, service string) error {
				asked = append(asked, group+"/"+service)
				if service == "bad.service" {
					return c.verdict
				}
				return nil
			}}
		found, err := f.problems(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := printProblems(&out, path, found); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(out.String(), path, "FILE"); got != c.want || strings.Join(asked, " ") != c.asked {
			t.Errorf("%s:\ngot  %q\nwant %q\nasked %q", c.name, got, c.want, asked)
		}
	}
	if code, out, _ := vipd(t.Context(), "check", "--json", "--config", path); code != 0 || !strings.Contains(out, `"systemd is not asked about units: this host is none of the nodes`) {
		t.Errorf("%d: %s", code, out)
	}
}
