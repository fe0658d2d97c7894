package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

// watchEvery is the time between two drawings of `status --watch`.
const watchEvery = time.Second

func statusCommand() *cobra.Command {
	var a asker
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show nodes, shared addresses, service groups and who holds them",
		Long: `Shows what the daemon of this host knows: the nodes with their paths and
clocks, then the tokens, then the service groups, if there are any. A value
older than 2 s stands in brackets with its age. STATE is that of this node.
ELIGIBLE names the nodes that may hold a token, and the reasons against the others.
BITS: M allow multiple, F auto failback, D disable inheritance, R release
requested. 'vipd group show NAME' says more of a service group.

With --watch it is drawn anew each second until Ctrl-C. With --json it prints
the object that docs/status.md documents, with --watch one per line.

Exit codes: 0 the daemon answered, 3 not running, 4 it runs but does not
answer, so that the state is unknown.`,
		Example: `  vipd status
  vipd status --watch
  vipd status --json | jq -r '.tokens[] | "\(.name) \(.holder)"'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if watch {
				return a.watch(ctx, cmd.OutOrStdout())
			}
			s, err := a.status(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(cmd.OutOrStdout(), s)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), newView(s, time.Now(), wantsColour(cmd.OutOrStdout())).String())
			return err
		},
	}
	a.flags(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "draw anew each second")
	return cmd
}

func (a *asker) status(ctx context.Context) (control.Status, error) {
	s, err := a.client().Status(ctx)
	if err != nil {
		return s, unreachable(a.runDir, err, control.CodeInvalid, control.CodeUnknown)
	}
	return s, nil
}

// watch draws until ctx ends; a daemon that is away is drawn as such.
func (a *asker) watch(ctx context.Context, w io.Writer) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		text := a.drawing(ctx, wantsColour(w))
		if ctx.Err() != nil {
			return nil // what was asked last got no answer because of that
		}
		if !a.json && onTerminal(w) {
			text = "\x1b[H\x1b[2J" + text // cursor home, clear
		}
		if _, err := io.WriteString(w, text); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// away is the line of `status --watch --json` while the daemon can't be asked.
type away struct {
	State string `json:"state"` // "unknown"
	Error string `json:"error"`
}

func (a *asker) drawing(ctx context.Context, coloured bool) string {
	s, err := a.status(ctx)
	var v any = s
	switch {
	case err != nil && !a.json:
		return time.Now().Format(time.TimeOnly) + "  " + printable(err.Error()) + "\n"
	case err != nil:
		v = away{control.NodeUnknown, err.Error()}
	case !a.json:
		return newView(s, time.Now(), coloured).String()
	}
	line, err := json.Marshal(v)
	if err != nil {
		return err.Error() + "\n"
	}
	return string(line) + "\n"
}
