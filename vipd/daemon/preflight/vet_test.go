package preflight

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vipd/host/cgroup"
	"vipd/host/child"
	"vipd/vipd/config"
)

// Commands are found out before they are due: what can't be run, who may not run it, and
// what others could change, each where it stands in the file.
func TestVetCommands(t *testing.T) {
	dir := t.TempDir()
	open, good, plain := filepath.Join(dir, "open"), filepath.Join(dir, "good"), filepath.Join(dir, "plain")
	for _, err := range []error{os.Mkdir(open, 0o755), os.Chmod(open, 0o777), os.Chmod(dir, 0o755),
		os.WriteFile(open+"/run", []byte("#!/bin/sh\n"), 0o755), os.WriteFile(good, []byte("#!/bin/sh\n"), 0o755), os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "vipd.toml")
	fine := "exec:" + good
	if _, err := cgroup.Root(); err != nil {
		fine = "g.service" // nothing that is a process can run here
	}
	text := strings.NewReplacer("OPEN", open, "FINE", fine, "PLAIN", plain).Replace(`cluster = "plant1"
key_file = "/etc/vipd/key"
[node.a]
addresses = ["192.0.2.11"]
[node.b]
addresses = ["192.0.2.12"]
[vip.v]
address = "192.0.2.10/24"
on_active = ["/bin/true", "/no/such/hook"]
group = "no-such-group"
[group.g]
units = ["FINE", "exec:/no/such", "exec:OPEN/run", "exec:PLAIN"]
check = ["tcp://127.0.0.1:1", "exec:/no/such", "exec:OPEN/run"]
[group.h]
units = ["exec:/bin/true"]
user = "no-such-user"
[group.i]
units = ["i.service"]
check = ["exec:/bin/true"]
capabilities = ["CAP_SYSLOG"]
user = "no-such-user"
`)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range vetCommands(path, s, child.Rights.Lookup) {
		got = append(got, strings.TrimPrefix(p.String(), path))
	}
	for i, want := range []string{
		`:10:9: vip.v.group: this host has no group no-such-group`,
		`: group.g.units: unit "exec:/no/such": stat /no/such: no such file or directory`,
		`everybody may put another program there`,
		`nobody may run it: chmod +x`,
		`: group.g.check: check "exec:/no/such": `,
		`: group.g.check: check "exec:/tmp`,
		`:16:8: group.h.user: this host has no user no-such-user`,
		`:21:8: group.i.user: this host has no user no-such-user`,
	} {
		if i >= len(got) || !strings.Contains(got[i], want) {
			t.Errorf("%d: no %q in\n%s", i, want, strings.Join(got, "\n"))
		}
	}
	if len(got) != 8 {
		t.Errorf("%d findings:\n%s", len(got), strings.Join(got, "\n"))
	}
	var wrong config.Errors
	if err := Vet(t.Context(), path, s, dir); !errors.As(err, &wrong) || len(wrong) < 8 {
		t.Errorf("a start is refused with %v", err)
	}
}
