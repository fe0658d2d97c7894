package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/daemon/preflight"
)

// configFile holds the flags of `vipd check` and `vipd -t`, and who knows of this host.
type configFile struct {
	path  string
	json  bool
	self  func(config.Settings) (config.Node, error)
	judge judge
	// commands lists what this host can't run of the file's commands, and hooks those
	// that would only fail when they are due; nil: not looked at.
	commands func(path string, s config.Settings) config.Errors
	hooks    func(path string, s config.Settings) []config.Problem
}

// here is a configuration file that is checked for this host.
func here() configFile {
	return configFile{self: thisHost, judge: askSystemd, commands: preflight.VetCommands, hooks: preflight.VetHooks}
}

func (f *configFile) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.path, "config", defaultConfig, "configuration `FILE`")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func checkCommand() *cobra.Command {
	file := here()
	cmd := &cobra.Command{
		Use:   "check [--config FILE]",
		Short: "Check the configuration and list all errors",
		Long: `Reads the configuration file and the key file it names, and lists everything
that is wrong as file:line:column: key: reason. Where this host is one of the
nodes, the interfaces that the file names should be there, and its systemd is
asked whether the services of groups are there, and don't start at boot by
themselves; where it can't be asked, one line says so. The commands of hooks,
checks and units are looked at too: whether the programs and users exist, and
whether others could change what runs. The running daemon is not asked and not
changed. 'vipd -t' does the same.

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
	Notes    []string  `json:"notes"` // what was not checked, and why
}

func (f *configFile) check(cmd *cobra.Command) error {
	p, err := f.problems(cmd.Context())
	if err != nil {
		return err
	}
	if f.json {
		err = printJSON(cmd.OutOrStdout(), verdict{f.path, len(p.wrong) == 0, findings(p.wrong), findings(p.warnings), append([]string{}, p.notes...)})
	} else {
		err = printProblems(cmd.OutOrStdout(), f.path, p)
	}
	switch {
	case err != nil:
		return err
	case len(p.wrong) > 0:
		return exitWith(control.CodeInvalid)
	case len(p.warnings) > 0:
		return exitWith(control.CodeWarnings)
	}
	return nil
}

// problems is what is wrong with a file, what is doubtful, and what was not looked at.
type problems struct {
	wrong    config.Errors
	warnings []config.Problem
	notes    []string
}

// problems reads the file as the daemon would.
func (f *configFile) problems(ctx context.Context) (p problems, err error) {
	settings, err := config.Load(f.path)
	p.warnings = settings.Warnings
	switch {
	case errors.As(err, &p.wrong):
		return p, nil
	case err != nil:
		return p, err
	}
	var wrongKey config.Errors
	if _, err := preflight.ReadKeys(f.path, settings); errors.As(err, &wrongKey) {
		p.wrong = wrongKey
	} else if err != nil {
		p.notes = []string{"the key file was not checked: " + err.Error()}
	}
	p.warnings = append(p.warnings, f.host(settings)...)
	wrong, note := f.units(ctx, settings)
	p.wrong = append(p.wrong, wrong...)
	if note != "" {
		p.notes = append(p.notes, note)
	}
	f.programs(settings, &p)
	return p, nil
}

// programs looks at the commands of the file, where this host is one of the nodes.
func (f *configFile) programs(s config.Settings, p *problems) {
	if f.commands == nil || !usesCommands(s) {
		return
	}
	if _, err := f.self(s); err != nil {
		p.notes = append(p.notes, fmt.Sprintf("commands are not looked at: %v", err))
		return
	}
	p.wrong = append(p.wrong, f.commands(f.path, s)...)
	p.warnings = append(p.warnings, f.hooks(f.path, s)...)
}

func findings(problems []config.Problem) []finding {
	list := make([]finding, len(problems))
	for i, p := range problems {
		list[i] = finding(p)
	}
	return list
}

func printProblems(w io.Writer, path string, found problems) error {
	wrong, warnings := found.wrong, found.warnings
	for _, p := range wrong {
		fmt.Fprintln(w, p)
	}
	for _, p := range warnings {
		fmt.Fprintf(w, "%v (warning)\n", p)
	}
	for _, note := range found.notes {
		fmt.Fprintf(w, "%s: %s\n", path, printable(note))
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
