package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

// asker holds the flags that all verbs share which talk to the daemon.
type asker struct {
	runDir string
	json   bool
	dryRun bool
}

func (a *asker) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.runDir, "run-dir", defaultRunDir, "`DIR` with the daemon's socket")
	cmd.Flags().BoolVar(&a.json, "json", false, "print JSON")
}

// changeFlags adds the flag of verbs that change something.
func (a *asker) changeFlags(cmd *cobra.Command) {
	a.flags(cmd)
	cmd.Flags().BoolVar(&a.dryRun, "dry-run", false, "change nothing; say what would happen and the expected outage")
}

func (a *asker) client() *control.Client { return control.Dial(a.runDir) }

// explain gives an error of the client the words and the code of verbs other
// than `status`.
func (a *asker) explain(err error) error {
	if err == nil {
		return nil
	}
	return unreachable(a.runDir, err, control.CodeFailed, control.CodeTimeout)
}

// names completes a word of the command line with what the daemon knows; pick
// chooses from its status.
func (a *asker) names(pick func(control.Status) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s, err := a.client().Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return pick(s), cobra.ShellCompDirectiveNoFileComp
	}
}

func tokenNames(s control.Status) (names []string) {
	for _, t := range s.Tokens {
		names = append(names, t.Name)
	}
	return names
}

func nodeNames(s control.Status) (names []string) {
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	return names
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
