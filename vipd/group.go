package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

func groupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "group VERB",
		Short: "Show service groups, start, stop, restart and move them",
	}
	needsVerb(cmd)
	cmd.AddCommand(groupListCommand(), groupShowCommand(), groupStartCommand(), groupStopCommand(),
		groupRestartCommand(), groupMoveCommand())
	return cmd
}

func groupListCommand() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the service groups and who runs them",
		Long: `Lists the service groups. HOLDER names the nodes that have the right to run
one, STATE is that on this node, CHECKS how many of its checks are
healthy here. CONTAINED says what ends it when the daemon dies. With --json it
prints the list that docs/status.md documents as groups.`,
		Example: `  vipd group list
  vipd group list --json | jq -r '.[] | "\(.name) \(.state)"'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := a.look(cmd)
			switch {
			case err != nil:
				return err
			case a.json:
				return printJSON(cmd.OutOrStdout(), v.status.Groups)
			case len(v.status.Groups) == 0:
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "no service groups are configured")
				return err
			}
			var b strings.Builder
			v.groups(&b, v.status.Groups)
			_, err = io.WriteString(cmd.OutOrStdout(), b.String())
			return err
		},
	}
	a.flags(cmd)
	return cmd
}

func groupShowCommand() *cobra.Command {
	var a asker
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one service group: its units, its checks and its token",
		Long: `Shows how a service group lives on this node: each unit, each check with its
newest result, and the token that says which node may run it.`,
		Example: `  vipd group show historian`,
		Args:    oneGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := a.look(cmd)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(v.status.Groups, func(g control.GroupStatus) bool { return g.Name == groupName(args[0]) })
			switch {
			case i < 0:
				return control.Errorf(control.CodeUsage, "unknown group %q%s", args[0], didYouMean(args[0], groupNames(v.status)))
			case a.json:
				return printJSON(cmd.OutOrStdout(), v.status.Groups[i])
			}
			_, err = io.WriteString(cmd.OutOrStdout(), v.group(v.status.Groups[i]))
			return err
		},
	}
	a.flags(cmd)
	cmd.ValidArgsFunction = a.names(groupNames)
	return cmd
}

// look asks for the status, to show a part of it.
func (a *asker) look(cmd *cobra.Command) (view, error) {
	ctx, stop := interruptible(cmd)
	defer stop()
	s, err := a.client().Status(ctx)
	return newView(s, time.Now(), wantsColour(cmd.OutOrStdout())), a.explain(err)
}

func groupStartCommand() *cobra.Command {
	return orderCommand(control.GroupOrder{Verb: control.GroupStart}, &cobra.Command{
		Use:   "start NAME",
		Short: "End an operator's stop of a service group",
		Long: `Ends 'vipd group stop', and forgives what a group failed with, on every node
that is heard or on one: the node that has its token starts it again, or every
eligible node where run = "all".`,
		Example: `  vipd group start historian
  vipd group start dataserver --node hist-b`,
	})
}

func groupStopCommand() *cobra.Command {
	return orderCommand(control.GroupOrder{Verb: control.GroupStop}, &cobra.Command{
		Use:   "stop NAME",
		Short: "Stop a service group until it is started again",
		Long: `Stops a service group on every node that is heard, so that no node takes it
over, until 'vipd group start'. With --node it is stopped and kept away there
alone: another fit node may run it. A shared address that requires the group
leaves a node where it is stopped, for one where it runs.`,
		Example: `  vipd group stop historian
  vipd group stop dataserver --node hist-b --dry-run`,
	})
}

func groupRestartCommand() *cobra.Command {
	return orderCommand(control.GroupOrder{Verb: control.GroupRestart}, &cobra.Command{
		Use:   "restart NAME",
		Short: "Restart a service group where it runs",
		Long: `Stops a service group and starts it again where it runs; no other node takes
it meanwhile. Where run = "all" the nodes follow each other, the standby
first, each when the one before runs again; with --both all do it at once.
With --node it is restarted there alone. An address that requires the group is on
another node meanwhile, where one is fit.`,
		Example: `  vipd group restart dataserver
  vipd group restart dataserver --both`,
	})
}

// orderCommand completes the command of a verb that orders something.
func orderCommand(o control.GroupOrder, cmd *cobra.Command) *cobra.Command {
	var a asker
	a.changeFlags(cmd)
	cmd.Flags().StringVar(&o.Node, "node", "", "on this `NODE` alone")
	if o.Verb == control.GroupRestart {
		cmd.Flags().BoolVar(&o.Both, "both", false, "on all nodes at once")
	}
	cmd.Args = oneGroup
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.Both && o.Node != "" {
			return misuse(cmd, "--both and --node contradict each other")
		}
		ctx, stop := interruptible(cmd)
		defer stop()
		o.Name, o.DryRun = groupName(args[0]), a.dryRun
		c, err := a.client().Group(ctx, o)
		if err != nil || a.json || !o.DryRun {
			return a.finish(cmd, c, err)
		}
		return printGroupPlan(cmd.OutOrStdout(), c)
	}
	cmd.ValidArgsFunction = a.names(groupNames)
	// It fails only for a flag that doesn't exist.
	_ = cmd.RegisterFlagCompletionFunc("node", a.names(nodeNames))
	return cmd
}

// printGroupPlan says what an order would do. How long units take nobody knows, so an
// outage stands only with an address that would move.
func printGroupPlan(w io.Writer, c control.Change) error {
	fmt.Fprintf(w, "dry run: %s\n", printable(c.Text))
	for _, m := range c.Moves {
		if err := printMove(w, m); err != nil {
			return err
		}
	}
	return nil
}

func groupMoveCommand() *cobra.Command {
	var a asker
	var m control.MoveRequest
	cmd := &cobra.Command{
		Use:   "move NAME --to NODE",
		Short: "Move a service group to a node and keep it there",
		Long: `Moves a service group, as 'vipd move group:NAME' does: it is stopped where it
runs, started on the node, and stays there until 'vipd unpin group:NAME'. A group
whose host fell silent is started elsewhere with --force, when you know that the
host is off: see 'vipd help move'.`,
		Example: `  vipd group move historian --to hist-b
  vipd group move historian --to hist-b --dry-run`,
		Args: oneGroup,
		RunE: func(cmd *cobra.Command, args []string) error {
			m.Token = "group:" + groupName(args[0])
			return a.move(cmd, m)
		},
	}
	a.moveFlags(cmd, &m)
	cmd.ValidArgsFunction = a.names(groupNames)
	return cmd
}

func oneGroup(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return misuse(cmd, "name a group, such as historian")
	case 1:
		return nil
	}
	return misuse(cmd, "takes one group, but got %q too", args[1])
}

// groupName takes the name of a group's token for the group, as status shows both.
func groupName(word string) string { return strings.TrimPrefix(word, "group:") }

func groupNames(s control.Status) (names []string) {
	for _, g := range s.Groups {
		names = append(names, g.Name)
	}
	return names
}
