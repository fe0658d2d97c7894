package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/daemon"
)

func runCommand() *cobra.Command {
	o := daemon.Options{}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: `Runs the daemon until SIGTERM or Ctrl-C: it resigns, its peer takes over, and
the program ends. SIGHUP reads the configuration again. Logs go to standard
error. The configuration is the same file on every node; which of its nodes
this host is follows from the host's addresses, unless --node says so.

Exit codes: 0 stopped, 1 failed, 3 configuration invalid, 75 another vipd runs
with this run dir.`,
		Example: `  vipd run
  vipd run --config ./vipd.toml --node hist-a --run-dir /tmp/a --state-dir /tmp/a`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), logOptions(cmd.ErrOrStderr())))
			return explainRun(cmd.ErrOrStderr(), daemon.Run(cmd.Context(), o))
		},
	}
	cmd.Flags().StringVar(&o.Config, "config", defaultConfig, "configuration `FILE`")
	cmd.Flags().StringVar(&o.Node, "node", "", "`NODE` of the configuration that this host is (default by address)")
	cmd.Flags().StringVar(&o.RunDir, "run-dir", defaultRunDir, "`DIR` for the socket")
	cmd.Flags().StringVar(&o.StateDir, "state-dir", defaultStateDir, "`DIR` for what must survive a reboot")
	return cmd
}

// logOptions leaves the time out where the journal of systemd adds its own.
func logOptions(w io.Writer) *slog.HandlerOptions {
	if !isJournal(w) {
		return nil
	}
	return &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
			return slog.Attr{}
		}
		return a
	}}
}

// isJournal is true when systemd connected w to its journal: it then names
// the stream's device and inode, see systemd.exec(5).
func isJournal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// explainRun lists what is wrong with the configuration, one error per line.
func explainRun(w io.Writer, err error) error {
	var wrong config.Errors
	if !errors.As(err, &wrong) {
		return err
	}
	for _, p := range wrong {
		fmt.Fprintln(w, p)
	}
	return exitWith(control.CodeInvalid)
}
