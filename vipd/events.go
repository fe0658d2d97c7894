package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vipd/vipd/control"
)

// comeBack is the time between two looks whether the daemon is there again.
const comeBack = 500 * time.Millisecond

func eventsCommand() *cobra.Command {
	var follow bool
	e := &eventPrinter{}
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened, and why",
		Long: `Shows the events of this node since its daemon started, at most the last 4096,
one per line: time, token or node, what happened, and the cause. With --follow
it goes on with each new event until Ctrl-C, also across a restart of the
daemon. With --json each line is one event; {"lost": N} stands where N events
could not be kept.`,
		Example: `  vipd events -n 20
  vipd events -f
  vipd events --json | jq -r 'select(.cause) | "\(.time) \(.token) \(.cause)"'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if e.last < 0 {
				return misuse(cmd, "--last %d: not a number of events", e.last)
			}
			ctx, stop := interruptible(cmd)
			defer stop()
			e.out, e.err, e.name = cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.CommandPath()
			next, err := e.past(ctx)
			if err == nil && follow {
				err = e.follow(ctx, next)
			}
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return e.explain(err)
		},
	}
	e.flags(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new events")
	cmd.Flags().IntVarP(&e.last, "last", "n", control.JournalSize, "begin with the last `N` events")
	return cmd
}

// eventPrinter reads events from the daemon and prints them.
type eventPrinter struct {
	asker
	last     int
	out, err io.Writer
	name     string // of the verb, for notes
}

// past prints what the journal holds and returns where new events follow.
func (p *eventPrinter) past(ctx context.Context) (next uint64, err error) {
	var all control.Page
	c := p.client()
	for {
		page, err := c.Events(ctx, all.Next)
		if err != nil {
			return 0, err
		}
		all.Events = append(all.Events, page.Events...)
		all.Lost, all.Next = all.Lost+page.Lost, page.Next
		if len(page.Events) == 0 || len(all.Events) >= control.JournalSize {
			break
		}
	}
	if over := len(all.Events) - p.last; over > 0 {
		all.Events, all.Lost = all.Events[over:], 0 // not lost: not asked for
	}
	return all.Next, p.print(all)
}

// follow prints what comes after next. A daemon that goes away is waited for;
// one that has started anew is asked from its first event on.
func (p *eventPrinter) follow(ctx context.Context, next uint64) error {
	s, err := p.client().Status(ctx)
	if err != nil {
		return err
	}
	for {
		var broken error
		for page, err := range p.client().Follow(ctx, next) {
			if broken = err; err != nil {
				break
			}
			if err := p.print(page); err != nil {
				return err
			}
			next = page.Next
		}
		var refused *control.Error
		if broken == nil || errors.As(broken, &refused) && refused.Code != control.CodeFailed {
			return broken
		}
		fmt.Fprintf(p.err, "%s: the daemon went away; waiting for it\n", p.name)
		started, err := p.wait(ctx)
		if err != nil {
			return err
		}
		if !started.Equal(s.Started) {
			s.Started, next = started, 0
		}
	}
}

// wait returns when the daemon that answers was started.
func (p *eventPrinter) wait(ctx context.Context) (time.Time, error) {
	for {
		if s, err := p.client().Status(ctx); err == nil {
			return s.Started, nil
		}
		select {
		case <-time.After(comeBack):
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

func (p *eventPrinter) print(page control.Page) error {
	if page.Lost > 0 {
		if err := p.printLost(page.Lost); err != nil {
			return err
		}
	}
	for _, e := range page.Events {
		if err := p.printEvent(e); err != nil {
			return err
		}
	}
	return nil
}

func (p *eventPrinter) printLost(n uint64) (err error) {
	if p.json {
		return json.NewEncoder(p.out).Encode(map[string]uint64{"lost": n})
	}
	_, err = fmt.Fprintf(p.out, "%s lost\n", count(int(n), "event"))
	return err
}

func (p *eventPrinter) printEvent(e control.Event) (err error) {
	if p.json {
		return json.NewEncoder(p.out).Encode(e)
	}
	_, err = fmt.Fprintln(p.out, eventLine(e, time.Local))
	return err
}

// eventLine is an event in words, with the time of a zone. What the text says
// of token and cause is not said twice.
func eventLine(e control.Event, zone *time.Location) string {
	about, text := e.Token, e.Text
	if about == "" {
		about = e.Node
	}
	if about == "" {
		about = e.Kind
	}
	if text == "" {
		text = e.From + " -> " + e.To
	}
	text = strings.TrimPrefix(text, about+" ")
	line := fmt.Sprintf("%s  %-12s  %s", e.Time.In(zone).Format("2006-01-02 15:04:05.000"), printable(about), printable(text))
	if cause := fmt.Sprintf("(%s)", e.Cause); e.Cause != control.NoCause && !strings.HasSuffix(text, cause) {
		line += "  " + printable(cause)
	}
	return line
}
