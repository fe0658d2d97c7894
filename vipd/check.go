package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vipd/seal"
	"vipd/vipd/config"
	"vipd/vipd/control"
)

// configFile holds the flags of `vipd check` and `vipd -t`.
type configFile struct {
	path string
	json bool
}

func (f *configFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "config", defaultConfig, "configuration `FILE`")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func checkCommand() *cobra.Command {
	var file configFile
	cmd := &cobra.Command{
		Use:   "check [--config FILE]",
		Short: "Check the configuration and list all errors",
		Long: `Reads the configuration file and the key file it names, and lists everything
that is wrong as file:line:column: key: reason. The running daemon is not
asked and not changed. 'vipd -t' does the same.

Exit codes: 0 valid, 3 invalid, 4 valid with warnings.`,
		Example: `  vipd check
  vipd -t --config ./vipd.toml`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return file.check(cmd) },
	}
	file.flags(cmd)
	return cmd
}

// finding is one problem in the JSON of `vipd check`.
type finding struct {
	File   string `json:"file"`
	Line   int    `json:"line"`   // 0: the file as a whole
	Column int    `json:"column"` // in characters
	Key    string `json:"key"`
	Reason string `json:"reason"`
	Hint   string `json:"hint"`
}

// verdict is the JSON of `vipd check`.
type verdict struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Errors   []finding `json:"errors"`
	Warnings []finding `json:"warnings"`
}

func (f *configFile) check(cmd *cobra.Command) error {
	wrong, warnings, err := f.problems()
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(cmd.OutOrStdout(), verdict{f.path, len(wrong) == 0, findings(wrong), findings(warnings)})
	} else {
		err = printProblems(cmd.OutOrStdout(), f.path, wrong, warnings)
	}
	switch {
	case err != nil:
		return err
	case len(wrong) > 0:
		return exitWith(control.CodeInvalid)
	case len(warnings) > 0:
		return exitWith(control.CodeWarnings)
	}
	return nil
}

// problems reads the file as the daemon would.
func (f *configFile) problems() (wrong config.Errors, warnings []config.Problem, err error) {
	settings, err := config.Load(f.path)
	if errors.As(err, &wrong) {
		return wrong, settings.Warnings, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if _, err := seal.ReadKeyFile(settings.KeyFile); err != nil {
		wrong = config.Errors{{File: f.path, Key: "key_file", Reason: err.Error()}}
	}
	return wrong, settings.Warnings, nil
}

func findings(problems []config.Problem) []finding {
	list := make([]finding, len(problems))
	for i, p := range problems {
		list[i] = finding(p)
	}
	return list
}

func printProblems(w io.Writer, path string, wrong config.Errors, warnings []config.Problem) error {
	for _, p := range wrong {
		fmt.Fprintln(w, p)
	}
	for _, p := range warnings {
		fmt.Fprintf(w, "%v (warning)\n", p)
	}
	state := "valid"
	switch {
	case len(wrong) > 0:
		state = "invalid, " + count(len(wrong), "error")
	case len(warnings) > 0:
		state = "valid, " + count(len(warnings), "warning")
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", path, state)
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
