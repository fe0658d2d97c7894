// Command vipd keeps shared IP addresses on the fittest of two or more hosts.
//
// This package is the command line and nothing else: each verb reads its
// flags, asks the running daemon through vipd/control (or starts one, checks
// a file, makes a key), prints the answer and ends with a code that says how
// it went. It decides nothing about nodes, tokens or addresses.
//
//	vipd run ───────────▶ vipd/daemon
//	vipd check ─────────▶ vipd/config, seal
//	vipd key ───────────▶ seal, vipd/config
//	vipd status, events, move, unpin, suspend, resume, restart, group
//	                 └──▶ control.Client ══ unix socket ══▶ the daemon
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

// Where things are unless a flag says otherwise.
const (
	defaultConfig   = "/etc/vipd/vipd.toml"
	defaultRunDir   = "/run/vipd"
	defaultStateDir = "/var/lib/vipd"
)

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	addCompletion(root)
	cmd, err := root.ExecuteContextC(ctx)
	return report(errOut, cmd, unknownVerb(root, err))
}

func rootCommand() *cobra.Command {
	var test bool
	file := here()
	root := &cobra.Command{
		Use:   "vipd",
		Short: "Keep a shared IP address on the fittest of two or more hosts",
		Long: `vipd keeps shared IP addresses on the fittest of two or more hosts.

Every host runs 'vipd run' with the same configuration file; the other verbs
ask the daemon of this host. Exit codes: 0 done, 1 failed, 2 wrong use,
3 configuration invalid (status: not running), 4 valid with warnings (status:
unknown), 75 held by another, 77 no permission, 107 unsafe without --force,
124 timed out.`,
		Example: `  vipd check                             is the configuration right?
  vipd status                            who holds what, and who could
  vipd move vip:front --to hist-b        planned move`,
		Version:       control.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !test {
				return misuse(cmd, "no verb given")
			}
			return file.check(cmd)
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.Flags().BoolVarP(&test, "test", "t", false, "check the configuration, as 'vipd check' does")
	file.flags(root)
	root.AddCommand(verbs()...)
	root.SetHelpCommand(helpCommand(root))
	return root
}

func verbs() []*cobra.Command {
	return []*cobra.Command{
		runCommand(), keeperCommand(), checkCommand(),
		statusCommand(), eventsCommand(),
		moveCommand(), releaseCommand(), suspendCommand(), resumeCommand(), restartCommand(),
		groupCommand(),
		keyCommand(), demoCommand(), pgmCommand(), versionCommand(),
	}
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "Explain a verb",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = misuse(root, "unknown verb %q", strings.Join(args, " "))
			}
			if err != nil {
				return unknownVerb(root, err)
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// addCompletion adds cobra's verb that writes completion scripts; it notes
// where root prints.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		needsVerb(completion)
	}
}

// interruptible ends with Ctrl-C or SIGTERM, for the verbs that wait. `run`
// does not use it: the daemon has its own way to stop.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}
