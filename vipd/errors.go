package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

// misused is a wrong use of a verb; the report shows how it is used.
type misused struct {
	cmd     *cobra.Command
	message string
}

func (m misused) Error() string { return m.message }

func misuse(cmd *cobra.Command, format string, args ...any) error {
	return misused{cmd, fmt.Sprintf(format, args...)}
}

// exitWith ends the program with a code when all has been said.
type exitWith int

func (e exitWith) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// report prints what went wrong with cmd, if anything, and returns the exit
// code.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	var usage misused
	var said exitWith
	var refused *control.Error
	switch {
	case err == nil:
		return control.CodeDone
	case errors.As(err, &said):
		return int(said)
	case errors.As(err, &usage):
		fmt.Fprintf(w, "%s: %s\n%s\n", usage.cmd.CommandPath(), usage.message, usageHint(usage.cmd))
		return control.CodeUsage
	case errors.As(err, &refused):
		fmt.Fprintf(w, "%s: %s\n", cmd.CommandPath(), printable(refused.Message))
		return refused.Code
	}
	fmt.Fprintf(w, "%s: %v\n", cmd.CommandPath(), err)
	return control.CodeFailed
}

func usageHint(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return "see 'vipd help'"
	}
	topic := strings.TrimPrefix(cmd.CommandPath(), "vipd ")
	return fmt.Sprintf("usage: %s; see 'vipd help %s'", cmd.UseLine(), topic)
}

// unknownVerb puts cobra's words for a verb that doesn't exist into ours, and
// leaves every other error as it is.
func unknownVerb(root *cobra.Command, err error) error {
	var word string
	if err == nil {
		return nil
	}
	if _, scan := fmt.Sscanf(err.Error(), "unknown command %q for", &word); scan != nil {
		return err
	}
	return misuse(root, "unknown verb %q%s", word, didYouMean(word, verbsOf(root)))
}

func verbsOf(cmd *cobra.Command) (list []string) {
	for _, c := range cmd.Commands() {
		list = append(list, c.Name())
	}
	return list
}

// needsVerb makes a command that only groups others refuse to be called
// without one of them.
func needsVerb(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misuse(cmd, "say what to do: %s", strings.Join(verbsOf(cmd), ", "))
		}
		return misuse(cmd, "unknown verb %q%s", args[0], didYouMean(args[0], verbsOf(cmd)))
	}
}

func didYouMean(word string, known []string) string {
	if near := control.Nearest(word, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// flagError turns what the flag package says into a misuse, with the nearest
// flag when one is unknown.
func flagError(cmd *cobra.Command, err error) error {
	unknown, found := strings.CutPrefix(err.Error(), "unknown flag: ")
	if !found {
		return misuse(cmd, "%v", err)
	}
	var known []string
	for _, word := range strings.Fields(cmd.Flags().FlagUsages()) {
		if strings.HasPrefix(word, "--") {
			known = append(known, word)
		}
	}
	return misuse(cmd, "%v%s", err, didYouMean(unknown, known))
}

// noArguments is for verbs that take flags alone.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misuse(cmd, "takes no argument, but got %q", args[0])
	}
	return nil
}

// unreachable says in the admin's words that the daemon could not be asked.
// The code depends on the verb: for `status` that is an answer by itself.
func unreachable(runDir string, err error, notRunning, noAnswer int) error {
	socket := control.SocketPath(runDir)
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return control.Errorf(notRunning, "not running: nobody answers at %s; start it with 'systemctl start vipd' or 'vipd run'", socket)
	case errors.Is(err, control.ErrNoAnswer):
		return control.Errorf(noAnswer, "unknown: vipd does not answer at %s; is its process stopped? see 'systemctl status vipd'", socket)
	}
	return err
}
