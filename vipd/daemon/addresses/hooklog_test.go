package addresses

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vipd/vipd/config"
	"vipd/vipd/daemon/observe"
	"vipd/vipd/daemon/preflight"
)

// logVariable has the test's own program be logToNobody.
const logVariable = "VIPD_TEST_LOG"

// logWithoutReader is a daemon whose log can't be written. It goes on, and writes what a hook
// then finds of signals and open files to the file named by the environment.
func logWithoutReader() int {
	preflight.SettleProcess()
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
			cmd.Env = append(os.Environ(), logVariable+"=1", "OUT="+out)
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
