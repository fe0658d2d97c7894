package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// demoCommand says where the demonstration is: a program of the source tree,
// so that the installed one carries no laboratory.
func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Say where the demonstration is",
		Long: `The demonstration is a program of the source tree, so that this one carries no
laboratory: go run ./testlab/demo`,
		Example:            `  go run ./testlab/demo`,
		Hidden:             true,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintln(cmd.ErrOrStderr(), "vipd demo: the demonstration is a program of the source tree: go run ./testlab/demo")
			return exitWith(2)
		},
	}
}
