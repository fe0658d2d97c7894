// Command bench measures what goes wrong and how long it shows: failovers of the real
// daemon between two hosts in private namespaces, its cost when nothing happens, its
// start and its size; and keepalived in the same place when asked.
//
//	go run ./testlab/bench                          every scenario, 10 times each
//	go run ./testlab/bench -n 20 -peer keepalived   and keepalived, turn by turn
//	go run ./testlab/bench -scenario host-death,move -mode default -json
//
// It knows what to break, what a client and a witness then see, and the goals. It never
// passes or fails: it prints what was measured beside the goal. Every repetition has a
// laboratory of its own, and those of different daemons alternate, so that whatever
// else the machine does befalls all of them.
//
//	scenario × repetition × subject ─► trial: lab, pair, act, client's view ─► figures ─► table | JSON
//
// An outage is the longest time in which no answer reached the client, which asks by
// UDP every millisecond (package rig). A repetition in which the client itself was held
// up by the machine for longer than 5 ms is counted as stalled, and its figure stands
// all the same.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"vipd/testlab/rig"
)

// options are the command line.
type options struct {
	n         int
	scenarios string
	modes     string
	peer      string
	watch     time.Duration
	json      bool
}

// longestWatch is how long a scenario may be watched: the client doesn't remember more
// than some 17 minutes.
const longestWatch = 10 * time.Minute

func main() {
	if core := os.Getenv(coreVariable); core != "" {
		fail(burn(core))
	}
	if path := os.Getenv(ordinaryVariable); path != "" {
		fail(become(path))
	}
	var o options
	flag.IntVar(&o.n, "n", 10, "repetitions of each scenario")
	flag.StringVar(&o.scenarios, "scenario", "", "only these, separated by commas; \"list\" names them")
	flag.StringVar(&o.modes, "mode", "default,fast", "vipd's heartbeats: default (50 ms x 3), fast (5 ms x 3; needs BPF, and the right to run before others)")
	flag.StringVar(&o.peer, "peer", "", "also measure \"keepalived\", as usually configured and at its best")
	flag.DurationVar(&o.watch, "watch", 0, "how long to watch idle and load, at most 10m, in place of their own 20 s and 60 s")
	flag.BoolVar(&o.json, "json", false, "print JSON, with every single figure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o, os.Stdout, os.Stderr); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// bench measures what was asked for and prints it.
func bench(ctx context.Context, o options, out, progress io.Writer) error {
	if o.scenarios == "list" {
		return list(out)
	}
	chosen, err := choose(o.scenarios, o.watch)
	if err != nil {
		return err
	}
	subjects, err := chooseSubjects(o.modes, o.peer)
	if err != nil {
		return err
	}
	program, err := build() // outside, where the Go command may look for modules
	if err != nil {
		return err
	}
	defer program.remove() // by whichever life returns from here
	if err := rig.Enter(); err != nil {
		return err
	}
	b := newBook(o.n)
	for _, s := range chosen {
		if err := b.measure(ctx, s, subjects, program, progress); err != nil {
			return err
		}
	}
	return b.print(out, o.json)
}

// measure repeats one scenario with every subject in turn.
func (b *book) measure(ctx context.Context, s scenario, subjects []subject, program *program, progress io.Writer) error {
	times := b.Repetitions
	if s.most > 0 {
		times = min(times, s.most)
	}
	if s.alike {
		subjects = subjects[:1]
	}
	fmt.Fprintf(progress, "%s, %d times\n", s.name, times)
	for range times {
		for _, who := range subjects {
			if who.peer() && !s.peers {
				continue
			}
			values, err := try(ctx, s, who, program)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			if err != nil {
				fmt.Fprintf(progress, "  %s: %s\n", who.name, strings.TrimSpace(err.Error()))
			}
			b.enter(s, who, values, err)
		}
	}
	return nil
}
