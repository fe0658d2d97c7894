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

// Commands that a start would refuse, or that would fail each time, are refused by the
// check, where they stand; a hook that would fail is a warning.
func TestCheckCommands(t *testing.T) {
	dir := t.TempDir()
	key, path := filepath.Join(dir, "key"), filepath.Join(dir, "vipd.toml")
	text := strings.ReplaceAll(pairFile, "KEY", key) + `on_active = ["/no/such/hook"]

[group.g]
units = ["exec:/no/such/unit"]
check = ["exec:/no/such/check"]

[group.h]
units = ["exec:/bin/true"]
user  = "no-such-user"
`
	for file, text := range map[string]string{key: string(seal.NewKey().Text()), path: text} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := here()
	f.path, f.self = path, func(config.Settings) (config.Node, error) { return config.Node{}, nil }
	found, err := f.problems(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printProblems(&out, path, found); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`FILE:13:14: vip.front.on_active: stat /no/such/hook: no such file or directory (warning)`,
		`FILE:16:10: group.g.units: unit "exec:/no/such/unit": stat /no/such/unit: no such file or directory`,
		`FILE:17:10: group.g.check: check "exec:/no/such/check": `,
		`FILE:21:9: group.h.user: this host has no user no-such-user`,
		"FILE: invalid, 3 errors",
	} {
		if got := strings.ReplaceAll(out.String(), path, "FILE"); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	f.self = func(config.Settings) (config.Node, error) { return config.Node{}, errors.New("another host") }
	if found, err = f.problems(t.Context()); err != nil || len(found.wrong) != 0 {
		t.Errorf("on another host: %v, %v", found.wrong, err)
	}
}
