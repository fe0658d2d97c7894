package main

import (
	"context"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"vipd/pgm"
	"vipd/pgm/traffic"
)

func pgmBenchCommand() *cobra.Command {
	var source pgmSource
	var sink pgmSink
	var plan traffic.Plan
	var receive bool
	cmd := &cobra.Command{
		Use:   "bench --local ADDRESS [--receive]",
		Short: "Measure what a group carries",
		Long: `Sends numbered messages, or with --receive counts them: how many a second, how
many were lost, and how long each took one way when both ends are on one
machine. Start the receivers first; --count and --size must be the same.`,
		Example: `  vipd pgm bench --receive --local 10.0.0.2 --flow 10.0.0.2:7501
  vipd pgm bench --local 10.0.0.1 --receiver 10.0.0.2:7501`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			sink.pgmPath = source.pgmPath
			if err := checkPlan(cmd, plan, receive); err != nil {
				return err
			}
			if receive {
				return benchReceive(ctx, cmd, &sink, plan)
			}
			return benchSend(ctx, cmd, &source, plan)
		},
	}
	source.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&sink.flow, "flow", "", "with --receive: `ADDRESS:PORT` for senders that know this receiver")
	f.DurationVar(&sink.backOff, "back-off", 0, "with --receive: longest random `TIME` before asking for a repair")
	f.BoolVar(&receive, "receive", false, "receive instead of sending")
	f.IntVar(&plan.Count, "count", 100_000, "`N` messages")
	f.IntVar(&plan.Size, "size", 1000, "`OCTETS` of each, at least 16")
	f.Float64Var(&plan.PerSecond, "per-second", 0, "`N` messages a second; 0: as fast as they go")
	return cmd
}

// checkPlan refuses a load that can't be sent, and flags of the other end.
func checkPlan(cmd *cobra.Command, plan traffic.Plan, receive bool) error {
	for _, name := range []string{"receiver", "leave-behind", "rate", "linger", "late-join", "max-fragments", "per-second"} {
		if receive && cmd.Flags().Changed(name) {
			return misuse(cmd, "--%s is the sender's: leave it or --receive out", name)
		}
	}
	for _, name := range []string{"flow", "back-off"} {
		if !receive && cmd.Flags().Changed(name) {
			return misuse(cmd, "--%s is a receiver's: add --receive", name)
		}
	}
	return inRange(cmd, flagRange{"count", float64(plan.Count), 1, math.Inf(1)}, flagRange{"size", float64(plan.Size), traffic.HeaderLen, pgm.MaxMessage},
		flagRange{"per-second", plan.PerSecond, 0, math.Inf(1)})
}

// flagRange is a flag's number and what it may be.
type flagRange struct {
	name        string
	v           float64
	least, most float64
}

// inRange refuses the first number that is out of its range.
func inRange(cmd *cobra.Command, flags ...flagRange) error {
	for _, f := range flags {
		switch text := cmd.Flags().Lookup(f.name).Value; {
		case f.v >= f.least && f.v <= f.most:
		case math.IsInf(f.most, 1):
			return misuse(cmd, "--%s %s: want at least %g", f.name, text, f.least)
		default:
			return misuse(cmd, "--%s %s: want %.0f to %.0f", f.name, text, f.least, f.most)
		}
	}
	return nil
}

func benchSend(ctx context.Context, cmd *cobra.Command, s *pgmSource, plan traffic.Plan) error {
	sender, err := s.start(cmd)
	if err != nil {
		return err
	}
	defer sender.Close(context.Background())
	sent, err := traffic.Send(ctx, plan, func(ctx context.Context, m []byte) error {
		_, err := sender.Send(ctx, m)
		return err
	})
	if err != nil {
		return err
	}
	if err := sender.Close(context.Background()); err != nil {
		return err
	}
	if s.json {
		return printJSON(cmd.OutOrStdout(), sent)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "sent %d messages in %.3f s, %.3f s of processor\n", sent.Messages, sent.Seconds, sent.CPU)
	return err
}

func benchReceive(ctx context.Context, cmd *cobra.Command, s *pgmSink, plan traffic.Plan) error {
	r, err := s.start(cmd)
	if err != nil {
		return err
	}
	defer r.Close()
	c := traffic.Counter{Plan: plan}
	for !c.Done() && ctx.Err() == nil {
		m, err := r.Next(ctx)
		if e, ok := pgmEventOf(m, err); !ok || e.Event == "end" {
			break
		}
		if err == nil {
			c.Take(m.Data)
		}
	}
	got := c.Result()
	if s.json {
		return printJSON(cmd.OutOrStdout(), got)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d messages in %.3f s, %.0f a second, %d lost; one way p50 %.1f us, p99 %.1f us, p99.9 %.1f us\n",
		got.Messages, got.Seconds, float64(got.Messages)/max(got.Seconds, 1e-9), got.Lost, got.P50, got.P99, got.P999)
	return err
}
