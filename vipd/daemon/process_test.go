package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/lease"
	"vipd/services/child"
	"vipd/vipd/config"
	"vipd/vipd/daemon/observe"
)

// logToNobody is a daemon whose log can't be written. It goes on, and writes what a hook
// then finds of signals and open files to the file named by the environment.
func logToNobody() int {
	settleProcess()
	log := observe.NewAsyncHandler(slog.NewTextHandler(os.Stderr, nil))
	for range 3 {
		slog.New(log).Info("a line")
	}
	log.End()
	fmt.Fprintln(os.Stdout, "and one to the standard output")
	hook := config.Hook{Argv: []string{"/bin/sh", "-c", "(grep ^Sig /proc/self/status; ls /proc/self/fd) > " + os.Getenv("OUT")}}
	failed := ""
	hookRun{hooks: []config.Hook{hook}, limit: 30 * time.Second, env: []string{"PATH=/bin:/usr/bin"}}.run(func(text string) { failed = text })
	if err := os.WriteFile(os.Getenv("OUT")+".end", []byte(fmt.Sprintf("lost %d%s", log.Missed(), failed)), 0o644); err != nil {
		return 1
	}
	return 0
}

// A daemon goes on whatever becomes of its log: its reader is gone, the disk is full, or
// its output was closed at the start. Its commands get signals as ever, and no file that
// was open in what started it.
func TestLogThatCantBeWritten(t *testing.T) {
	for name, c := range map[string]struct {
		redirect string
		lost     string
	}{
		"closed at the start": {`0<&- 1>&- 2>&-`, "lost 0"},
		"disk full":           {`</dev/null >/dev/full 2>/dev/full`, "lost 3"},
		"reader gone":         {"", "lost 3"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			cmd := exec.Command("/bin/sh", "-c", "exec 9</etc/passwd; exec "+os.Args[0]+" "+c.redirect)
			cmd.Env = append(os.Environ(), helperVariable+"=log", "OUT="+out)
			if c.redirect == "" {
				gone, write, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				gone.Close()
				defer write.Close()
				cmd.Stdout, cmd.Stderr = write, write
			}
			if err := cmd.Run(); err != nil {
				t.Fatalf("the daemon ended: %v", err)
			}
			if text, err := os.ReadFile(out + ".end"); err != nil || string(text) != c.lost {
				t.Errorf("%v, %q, want %q", err, text, c.lost)
			}
			text, err := os.ReadFile(out)
			if err != nil || !strings.Contains(string(text), "SigIgn:\t0000000000000000") || strings.Contains(string(text), "\n9\n") {
				t.Errorf("a hook found %v\n%s", err, text)
			}
		})
	}
}

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
	if _, err := lease.CgroupRoot(); err != nil {
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
	if err := vet(t.Context(), path, s, dir); !errors.As(err, &wrong) || len(wrong) < 8 {
		t.Errorf("a start is refused with %v", err)
	}
}

// The process's own signals stay as they are for others: settleProcess ignores none.
func TestBrokenPipeIsNoEnd(t *testing.T) {
	settleProcess()
	if err := unix.Kill(os.Getpid(), syscall.SIGPIPE); err != nil {
		t.Fatal(err)
	}
}
