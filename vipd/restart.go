package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

// restarted is the JSON of `vipd restart`.
type restarted struct {
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	TookMS  float64   `json:"took_ms"` // until the new process answered
}

func restartCommand() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:   "restart",
		Short: "Restart the daemon without giving anything up",
		Long: `Makes the daemon execute itself anew, for a new version of the program. What
this node holds it keeps: the others are told, and the kernel's lease covers
the gap. Returns when the new process answers.`,
		Example: `  vipd restart`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if a.dryRun {
				c, err := a.client().Restart(ctx, control.RestartRequest{DryRun: true})
				return a.finish(cmd, c, err)
			}
			r, err := a.restart(ctx)
			switch {
			case err != nil:
				return a.explain(err)
			case a.json:
				return printJSON(cmd.OutOrStdout(), r)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "restarted in %s: process %d, version %s\n",
				short(milliseconds(r.TookMS)), r.PID, printable(r.Version))
			return err
		},
	}
	a.changeFlags(cmd)
	return cmd
}

// restart asks the daemon and waits for its successor.
func (a *asker) restart(ctx context.Context) (restarted, error) {
	begun := time.Now()
	c := a.client()
	old, err := c.Status(ctx)
	if err != nil {
		return restarted{}, err
	}
	if _, err := c.Restart(ctx, control.RestartRequest{}); err != nil {
		return restarted{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, control.ChangeLimit)
	defer cancel()
	s, err := c.Restarted(ctx, old.Started)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return restarted{}, control.Errorf(control.CodeTimeout, "no new process answered within %v; see 'systemctl status vipd'", control.ChangeLimit)
	case err != nil:
		return restarted{}, err
	}
	return restarted{s.PID, s.Version, s.Started, control.Milliseconds(time.Since(begun))}, nil
}
