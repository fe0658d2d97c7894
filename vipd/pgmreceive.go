package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"vipd/pgm"
	"vipd/pgm/window"
)

// pgmSink are the flags of the verbs that receive.
type pgmSink struct {
	pgmPath
	flow    string
	backOff time.Duration
}

func (s *pgmSink) flags(cmd *cobra.Command) {
	s.pgmPath.flags(cmd)
	cmd.Flags().StringVar(&s.flow, "flow", "", "`ADDRESS:PORT` on which to tell senders that know this receiver how far it is")
	cmd.Flags().DurationVar(&s.backOff, "back-off", 0, "longest random `TIME` before asking for a repair; 0 suits few receivers")
}

// check refuses numbers out of their range.
func (s *pgmSink) check(cmd *cobra.Command) error {
	if err := s.pgmPath.check(cmd); err != nil {
		return err
	}
	return inRange(cmd, flagRange{"back-off", s.backOff.Seconds(), 0, math.Inf(1)})
}

// start opens the receiver.
func (s *pgmSink) start(cmd *cobra.Command) (*pgm.Receiver, error) {
	if err := s.check(cmd); err != nil {
		return nil, err
	}
	o := pgm.ReceiverOptions{Port: s.port, Pack: s.pack, Window: window.ReceiveConfig{Packets: s.window, BackOff: s.backOff}}
	if s.flow != "" {
		a, err := netip.ParseAddrPort(s.flow)
		if err != nil {
			return nil, misuse(cmd, "--flow %q: not an address and a port", s.flow)
		}
		o.Flow = a
	}
	link, err := s.open(cmd, true)
	if err != nil {
		return nil, err
	}
	return pgm.NewReceiver(link, o)
}

// pgmEvent is one line of `vipd pgm receive --json`: a message, or what else
// happened to its source.
type pgmEvent struct {
	Source string  `json:"source,omitempty"`
	From   string  `json:"from,omitempty"`
	Data   string  `json:"data,omitempty"`
	First  *uint32 `json:"first_lost,omitempty"`
	Lost   int     `json:"lost,omitempty"`
	Event  string  `json:"event"` // message, lost, end, behind, restart, stall
	Text   string  `json:"text,omitempty"`
}

func pgmReceiveCommand() *cobra.Command {
	var s pgmSink
	var count int
	cmd := &cobra.Command{
		Use:   "receive --local ADDRESS",
		Short: "Print the messages of a group",
		Long: `Prints each message of the group as a line, from every sender, in the order each
sent them. Losses that can't be repaired, and senders that end, are told on
standard error, or in line with --json.`,
		Example: `  vipd pgm receive --local 10.0.0.2
  vipd pgm receive --local 10.0.0.2 --flow 10.0.0.2:7501 --json --count 100`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			if err := inRange(cmd, flagRange{"count", float64(count), 0, math.Inf(1)}); err != nil {
				return err
			}
			r, err := s.start(cmd)
			if err != nil {
				return err
			}
			defer r.Close()
			return s.print(ctx, cmd, r, count)
		},
	}
	s.flags(cmd)
	cmd.Flags().IntVar(&count, "count", 0, "end after `N` messages; 0: only with Ctrl-C")
	return cmd
}

// print prints until count messages came, or ctx ends.
func (s *pgmSink) print(ctx context.Context, cmd *cobra.Command, r *pgm.Receiver, count int) error {
	lines := json.NewEncoder(cmd.OutOrStdout())
	for n := 0; count == 0 || n < count; {
		m, err := r.Next(ctx)
		e, ok := pgmEventOf(m, err)
		switch {
		case !ok && ctx.Err() != nil:
			return nil
		case !ok:
			return err
		case s.json:
			err = lines.Encode(e)
		case e.Event == "message":
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", m.Data)
		default:
			_, err = fmt.Fprintln(cmd.ErrOrStderr(), e.Text)
		}
		if err != nil {
			return err
		}
		if e.Event == "message" {
			n++
		}
	}
	return nil
}

// pgmEventOf tells what Next returned; ok is false when it is over.
func pgmEventOf(m pgm.Message, err error) (e pgmEvent, ok bool) {
	var loss *pgm.LossError
	var end *pgm.EndError
	var behind *pgm.BehindError
	var restart *pgm.RestartError
	var stall *pgm.StallError
	switch {
	case err == nil:
		return pgmEvent{Event: "message", Source: m.Source.String(), From: m.From.String(), Data: string(m.Data)}, true
	case errors.As(err, &loss):
		e = pgmEvent{Event: "lost", Source: loss.Source.String(), First: (*uint32)(&loss.First), Lost: loss.Count()}
	case errors.As(err, &end):
		e = pgmEvent{Event: "end", Source: end.Source.String()}
	case errors.As(err, &behind):
		e = pgmEvent{Event: "behind", Source: behind.Source.String()}
	case errors.As(err, &restart):
		e = pgmEvent{Event: "restart", Source: restart.Source.String()}
	case errors.As(err, &stall):
		e = pgmEvent{Event: "stall", Source: stall.Source.String()}
	default:
		return e, false
	}
	e.Text = err.Error()
	return e, true
}
