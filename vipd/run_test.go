package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vipd/vipd/config"
	"vipd/vipd/control"
)

// TestRunExplains: what keeps the daemon from running, in words and codes.
func TestRunExplains(t *testing.T) {
	wrong := config.Errors{{File: "vipd.toml", Line: 3, Column: 1, Key: "clster", Reason: "unknown key"}, {File: "vipd.toml", Reason: "no node"}}
	for _, tt := range []struct {
		err    error
		code   int
		stderr string
	}{
		{nil, 0, ""},
		{fmt.Errorf("read configuration: %w", wrong), 3, "vipd.toml:3:1: clster: unknown key\nvipd.toml: no node\n"},
		{fmt.Errorf("listen: %w", control.Errorf(control.CodeHeld, "another vipd runs with this run dir /run/vipd (pid 7)")), 75,
			"vipd run: another vipd runs with this run dir /run/vipd (pid 7)\n"},
		{control.Errorf(control.CodePermission, "CAP_NET_ADMIN is missing"), 77, "vipd run: CAP_NET_ADMIN is missing\n"},
		{control.Errorf(control.CodeUsage, "--node z: no such node"), 2, "vipd run: --node z: no such node\n"},
		{errors.New("no network"), 1, "vipd run: no network\n"},
	} {
		var e bytes.Buffer
		run, _, err := rootCommand().Find([]string{"run"})
		if err != nil {
			t.Fatal(err)
		}
		if code := report(&e, run, explainRun(&e, tt.err)); code != tt.code || e.String() != tt.stderr {
			t.Errorf("%v: %d %q", tt.err, code, &e)
		}
	}
}

func TestRunWithoutConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "vipd.toml")
	code, out, errOut := vipd(t.Context(), "run", "--config", file, "--run-dir", dir, "--state-dir", dir)
	if code != 3 || out != "" || !strings.Contains(errOut, file+": no such file") {
		t.Errorf("%d %q %q", code, out, errOut)
	}
}

// TestLogTime: the journal of systemd dates each line itself.
func TestLogTime(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	for stream, dated := range map[string]bool{"": true, "8:1234": true, fmt.Sprintf("%d:%d", st.Dev, st.Ino): false} {
		t.Setenv("JOURNAL_STREAM", stream)
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, logOptions(file))).Info("begun", "time", "noon")
		if strings.HasPrefix(b.String(), "time=") != dated || !strings.HasSuffix(b.String(), "msg=begun time=noon\n") {
			t.Errorf("JOURNAL_STREAM=%q: %q", stream, &b)
		}
	}
}
