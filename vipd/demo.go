package main

import (
	"errors"

	"github.com/spf13/cobra"

	"vipd/testlab/demo"
)

func demoCommand() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo [--scenario NAME]...",
		Short: "See failovers on this host, with nothing to set up",
		Long: `Builds two hosts, two networks, a client and a witness in network namespaces of
its own, runs this program on both hosts, breaks one thing after the other, and
shows what the client and the witness measured. Nothing outside is touched, and
nothing is left behind. Without --scenario all are shown; '--scenario list'
names them.

With --keep the hosts stay up afterwards, to look around, until Ctrl-C.`,
		Example: `  vipd demo
  vipd demo --scenario host-death --scenario failback
  vipd demo --scenario list`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			out := cmd.OutOrStdout()
			o.Out, o.Terminal, o.Colour = out, onTerminal(out), wantsColour(out)
			err := demo.Run(ctx, o)
			if errors.Is(err, demo.ErrUnknownScenario) {
				return misuse(cmd, "%v", err)
			}
			return err
		},
	}
	cmd.Flags().StringSliceVar(&o.Scenarios, "scenario", nil, "show only `NAME`; may be given several times")
	cmd.RegisterFlagCompletionFunc("scenario", cobra.FixedCompletions(append(demo.Names(), demo.List), cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&o.JSON, "json", false, "print one JSON document at the end")
	cmd.Flags().BoolVar(&o.Keep, "keep", false, "leave the hosts up until Ctrl-C")
	return cmd
}
