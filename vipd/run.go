package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

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

It runs once on a host: in each network namespace there is one daemon. What it
needs beside the configuration is the right to change addresses and to send and
read raw frames (root, or CAP_NET_ADMIN and CAP_NET_RAW). A state file that can't
be used is set aside, and a state directory that can't be written is an alarm.

Exit codes: 0 stopped, 1 failed, 2 wrong use, 3 configuration or key file
invalid, 75 another vipd runs here or the UDP port is another program's,
77 a right is missing. A service manager should not start it again after 3 and
77: what is wrong stays so until somebody mends it.`,
		Example: `  vipd run
  vipd run --config ./vipd.toml --node hist-a --run-dir /tmp/a --state-dir /tmp/a`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), logOptions(cmd.ErrOrStderr())))
			return explainRun(cmd.ErrOrStderr(), notAtOnce(cmd.Context(), daemon.Run(cmd.Context(), o)))
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

// heldPause is how long a daemon that may not run beside another waits before it ends,
// where a service manager starts it again at once.
const heldPause = time.Second

// notAtOnce waits with what another start would not change soon.
func notAtOnce(ctx context.Context, err error) error {
	var refused *control.Error
	if errors.As(err, &refused) && refused.Code == control.CodeHeld && os.Getenv("INVOCATION_ID") != "" {
		select {
		case <-ctx.Done():
		case <-time.After(heldPause):
		}
	}
	return err
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
