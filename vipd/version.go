package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"vipd/heartbeat"
	"vipd/vipd/control"
)

// versions is the JSON of `vipd version`.
type versions struct {
	Version string `json:"version"`
	Wire    int    `json:"wire_version"`
	Go      string `json:"go"`
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Long: `Prints the version of this program, the newest version of the wire protocol it
speaks, and the Go version it was built with. 'vipd status' shows the version
of the daemon that runs.`,
		Example: `  vipd version --json`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{control.Version(), heartbeat.WireVersion, runtime.Version()}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "vipd %s, wire version %d, %s\n", v.Version, v.Wire, v.Go)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
