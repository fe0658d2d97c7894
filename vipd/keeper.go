package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"vipd/host/cgroup"
	"vipd/services/unit"
	"vipd/services/watchdog"
)

// keeperCommand is what the daemon starts beside itself; nobody else has a use for
// it.
func keeperCommand() *cobra.Command {
	var o watchdog.Options
	cmd := &cobra.Command{
		Use:   "keeper",
		Short: "Kill groups whose lease has ended (started by the daemon)",
		Long: `Kills a service group a second after its lease has ended, because the daemon that
renewed it was killed, frozen or is wedged. The daemon starts it by itself, in a
control group of its own, and it ends a minute after nothing is guarded.`,
		Example: "  vipd keeper --run-dir /run/vipd",
		Hidden:  true,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root, err := cgroup.Root()
			if err != nil {
				return err
			}
			o.Root, o.Only = root, unit.Homes()
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), logOptions(cmd.ErrOrStderr())))
			return watchdog.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.RunDir, "run-dir", defaultRunDir, "`DIR` of the daemon")
	return cmd
}
