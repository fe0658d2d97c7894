package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"vipd/testlab/program"
)

// daemon is the import path of the program that the hosts run.
const daemon = "vipd/vipd"

const usage = `usage: go run ./testlab/demo [--scenario NAME]... [--json] [--keep]

Builds vipd, two hosts, two networks, a client and a witness in network
namespaces of its own, runs vipd on both hosts, breaks one thing after the
other, and shows what the client and the witness measured. It touches no other
network and leaves none of its own behind.

  --scenario NAME  show only this one; may be given several times; "list" names them
  --json           print one JSON document at the end
  --keep           leave the hosts up until Ctrl-C
`

func main() { os.Exit(execute(os.Args[1:])) }

// execute shows the demonstration of one command line and returns the exit code: 0 all
// was shown, 1 a scenario failed or there is no laboratory, 2 wrong use.
func execute(arguments []string) int {
	o, err := parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage)
		return 0
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = start(ctx, o)
	}
	var misused wrongUse
	switch {
	case err == nil:
		return 0
	case errors.As(err, &misused), errors.Is(err, ErrUnknownScenario):
		fmt.Fprintf(os.Stderr, "demo: %v; see 'go run ./testlab/demo --help'\n", err)
		return 2
	}
	fmt.Fprintln(os.Stderr, "demo:", err)
	return 1
}

// start builds the daemon, which only the first life of this process can (see package
// program), and runs the scenarios.
func start(ctx context.Context, o Options) error {
	if slices.Contains(o.Scenarios, List) {
		return Run(ctx, o)
	}
	if _, err := choose(o.Scenarios); err != nil {
		return err
	}
	program.Build(daemon)
	defer program.Remove()
	exe, err := program.Path(daemon)
	if err != nil {
		return err
	}
	o.Exe = exe
	return Run(ctx, o)
}

// wrongUse is an error of the command line.
type wrongUse struct{ error }

func parse(arguments []string) (Options, error) {
	terminal := onTerminal(os.Stdout)
	o := Options{
		Out:      os.Stdout,
		Terminal: terminal,
		Colour:   terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Func("scenario", "", func(names string) error {
		o.Scenarios = append(o.Scenarios, strings.Split(names, ",")...)
		return nil
	})
	flags.BoolVar(&o.JSON, "json", false, "")
	flags.BoolVar(&o.Keep, "keep", false, "")
	switch err := flags.Parse(arguments); {
	case errors.Is(err, flag.ErrHelp):
		return o, err
	case err != nil:
		return o, wrongUse{err}
	case flags.NArg() > 0:
		return o, wrongUse{fmt.Errorf("takes no argument, but got %q", flags.Arg(0))}
	}
	return o, nil
}

func onTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
