package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

func moveCommand() *cobra.Command {
	var a asker
	var m control.MoveRequest
	cmd := &cobra.Command{
		Use:   "move TOKEN --to NODE",
		Short: "Move a shared address to a node and keep it there",
		Long: `Moves a token, such as vip:front or group:historian, to a node and keeps it
there until 'vipd unpin' gives it back to policy. Returns when the old holder
has confirmed that it removed the address and the new one has announced it, and
prints how long that took.

With disable_inheritance nobody takes a token whose holder fell silent. When you
know that the silent host is off, and will not come back by itself while it
thinks that it holds the token, --force has the node take it; without, the
request is refused (exit code 107).`,
		Example: `  vipd move vip:front --to hist-b
  vipd move vip:front --to hist-b --dry-run`,
		Args: oneToken,
		RunE: func(cmd *cobra.Command, args []string) error { m.Token = args[0]; return a.move(cmd, m) },
	}
	a.moveFlags(cmd, &m)
	cmd.ValidArgsFunction = a.names(tokenNames)
	return cmd
}

func (a *asker) moveFlags(cmd *cobra.Command, m *control.MoveRequest) {
	a.changeFlags(cmd)
	cmd.Flags().StringVar(&m.To, "to", "", "`NODE` that is to hold it")
	cmd.Flags().BoolVar(&m.Force, "force", false, "although nobody that is heard holds it: you know that the others are off")
	// It fails only for a flag that doesn't exist.
	_ = cmd.RegisterFlagCompletionFunc("to", a.names(nodeNames))
}

func (a *asker) move(cmd *cobra.Command, q control.MoveRequest) error {
	if q.To == "" {
		return misuse(cmd, "say where to with --to NODE")
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	q.DryRun = a.dryRun
	m, err := a.client().Move(ctx, q)
	switch {
	case err != nil:
		return a.explain(err)
	case a.json:
		return printJSON(cmd.OutOrStdout(), m)
	}
	return printMove(cmd.OutOrStdout(), m)
}

func releaseCommand() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:     "unpin TOKEN",
		Aliases: []string{"release"}, // its earlier name
		Short:   "Give a shared address back to policy after a move",
		Long: `Ends an operator's move: priorities, eligibility and failback decide again which
node holds the token. It may go back at once, after its failback delay, or not
at all.`,
		Example: `  vipd unpin vip:front`,
		Args:    oneToken,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			c, err := a.client().Release(ctx, control.ReleaseRequest{Token: args[0], DryRun: a.dryRun})
			return a.finish(cmd, c, err)
		},
	}
	a.changeFlags(cmd)
	cmd.ValidArgsFunction = a.names(tokenNames)
	return cmd
}

func suspendCommand() *cobra.Command {
	var a asker
	var force bool
	cmd := &cobra.Command{
		Use:   "suspend [NODE]",
		Short: "Take a node out of service for maintenance",
		Long: `Makes a node, or this one, unfit for everything; what it holds goes to the
others. It stays so, also across a reboot, until 'vipd resume'. When no other
node is fit the request is refused (exit code 107) unless --force is given.`,
		Example: `  vipd suspend
  vipd suspend hist-b --dry-run`,
		Args: oneNodeAtMost,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			c, err := a.client().Suspend(ctx, control.SuspendRequest{Node: first(args), Force: force, DryRun: a.dryRun})
			return a.finish(cmd, c, err)
		},
	}
	a.changeFlags(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "even if nobody remains to hold the addresses")
	cmd.ValidArgsFunction = a.names(nodeNames)
	return cmd
}

func resumeCommand() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:     "resume [NODE]",
		Short:   "Bring a suspended node back",
		Long:    `Ends 'vipd suspend' of a node, or of this one.`,
		Example: `  vipd resume`,
		Args:    oneNodeAtMost,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			c, err := a.client().Resume(ctx, control.ResumeRequest{Node: first(args), DryRun: a.dryRun})
			return a.finish(cmd, c, err)
		},
	}
	a.changeFlags(cmd)
	cmd.ValidArgsFunction = a.names(nodeNames)
	return cmd
}

func oneToken(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return misuse(cmd, "name a token, such as vip:front")
	case 1:
		return nil
	}
	return misuse(cmd, "takes one token, but got %q too", args[1])
}

func oneNodeAtMost(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return misuse(cmd, "takes one node, but got %q too", args[1])
	}
	return nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// finish prints the outcome of a change.
func (a *asker) finish(cmd *cobra.Command, c control.Change, err error) error {
	switch {
	case err != nil:
		return a.explain(err)
	case a.json:
		return printJSON(cmd.OutOrStdout(), c)
	}
	return printChange(cmd.OutOrStdout(), c)
}

func printChange(w io.Writer, c control.Change) error {
	if c.DryRun {
		fmt.Fprintf(w, "dry run: %s; expected outage %s\n", printable(c.Text), short(milliseconds(c.ExpectedOutageMS)))
	} else {
		fmt.Fprintln(w, printable(c.Text))
	}
	for _, m := range c.Moves {
		if err := printMove(w, m); err != nil {
			return err
		}
	}
	return nil
}

func printMove(w io.Writer, m control.MoveResult) (err error) {
	from := ""
	if m.From != "" {
		from = " from " + m.From
	}
	switch {
	case m.From == m.To:
		_, err = fmt.Fprintf(w, "%s is at %s already\n", m.Token, m.To)
	case m.DryRun && m.ExpectedOutageMS == 0:
		_, err = fmt.Fprintf(w, "dry run: %s would move%s to %s; it is away while its units stop and start\n", m.Token, from, m.To)
	case m.DryRun:
		_, err = fmt.Fprintf(w, "dry run: %s would move%s to %s; expected outage %s\n",
			m.Token, from, m.To, short(milliseconds(m.ExpectedOutageMS)))
	default:
		_, err = fmt.Fprintf(w, "%s moved%s to %s in %s (epoch %d)\n",
			m.Token, from, m.To, short(milliseconds(m.TookMS)), m.Epoch)
	}
	return err
}

func milliseconds(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond))
}
