package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"vipd/pgm"
	"vipd/pgm/traffic"
	"vipd/pgm/window"
)

func pgmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pgm send|receive|bench",
		Short: "Send, receive and measure reliable multicast (RFC 3208)",
	}
	needsVerb(cmd)
	cmd.AddCommand(pgmSendCommand(), pgmReceiveCommand(), pgmBenchCommand())
	return cmd
}

// pgmPath is how PGM travels: the flags all three verbs share.
type pgmPath struct {
	local, group string
	raw, pack    bool
	port         uint16
	ttl          int
	window       int
	json         bool
}

func (p *pgmPath) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.local, "local", "", "this host's `ADDRESS` on the group's network (required)")
	f.StringVar(&p.group, "group", "239.192.77.2:3056", "`GROUP:PORT` of the UDP encapsulation")
	f.BoolVar(&p.raw, "raw", false, "travel right in IP, protocol 113, instead of UDP; needs CAP_NET_RAW")
	f.BoolVar(&p.pack, "pack", false, "several messages in a packet; on both ends, and not with other implementations")
	f.Uint16Var(&p.port, "port", pgm.DefaultPort, "data-destination `PORT`")
	f.IntVar(&p.ttl, "ttl", 1, "`HOPS` that multicast may go")
	f.IntVar(&p.window, "window", 16384, "`PACKETS` in the window")
	f.BoolVar(&p.json, "json", false, "print JSON")
}

// open opens the link of a receiver or a sender.
func (p *pgmPath) open(cmd *cobra.Command, receiver bool) (pgm.Link, error) {
	local, err := netip.ParseAddr(p.local)
	if err != nil {
		return nil, misuse(cmd, "--local %q: not an address", p.local)
	}
	group, err := netip.ParseAddrPort(p.group)
	if err != nil || !group.Addr().IsMulticast() {
		return nil, misuse(cmd, "--group %q: not a multicast address and a port", p.group)
	}
	udp := pgm.UDPOptions{Local: local, Group: group, TTL: p.ttl}
	raw := pgm.RawOptions{Local: local, Group: group.Addr(), TTL: p.ttl}
	switch {
	case p.raw && receiver:
		return pgm.ReceiverRaw(raw)
	case p.raw:
		return pgm.SenderRaw(raw)
	case receiver:
		return pgm.ReceiverUDP(udp)
	}
	return pgm.SenderUDP(udp)
}

// pgmSource are the flags of the verbs that send.
type pgmSource struct {
	pgmPath
	receivers []string
	behind    time.Duration
	rate      float64
	linger    time.Duration
	late      bool
	fragments int
}

func (s *pgmSource) flags(cmd *cobra.Command) {
	s.pgmPath.flags(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&s.receivers, "receiver", nil, "wait for the receiver that was started with --flow `ADDRESS:PORT`; may be given several times")
	f.DurationVar(&s.behind, "leave-behind", 0, "wait no longer than this `TIME` for one of them; 0: for ever")
	f.Float64Var(&s.rate, "rate", 0, "`OCTETS` a second, repairs included; 0: no limit")
	f.DurationVar(&s.linger, "linger", 2*time.Second, "`TIME` to go on repairing at the end")
	f.BoolVar(&s.late, "late-join", false, "offer the whole window to receivers that come late")
	f.IntVar(&s.fragments, "max-fragments", 0, "`N` fragments of one message at most; OpenPGM takes 16")
}

// start opens the sender.
func (s *pgmSource) start(cmd *cobra.Command) (*pgm.Sender, error) {
	o := pgm.SenderOptions{Port: s.port, Window: s.window, Rate: s.rate, MaxFragments: s.fragments, LateJoin: s.late,
		Pack: s.pack, LeaveBehind: s.behind, Linger: s.linger, Notify: func(n pgm.Notice) {
			fmt.Fprintf(cmd.ErrOrStderr(), "receiver %s: %s at number %d, lost %d in all\n", n.Receiver, n.Kind, n.At, n.Lost)
		}}
	for _, text := range s.receivers {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, misuse(cmd, "--receiver %q: not an address and a port", text)
		}
		o.Receivers = append(o.Receivers, a)
	}
	link, err := s.open(cmd, false)
	if err != nil {
		return nil, err
	}
	return pgm.NewSender(link, o)
}

func pgmSendCommand() *cobra.Command {
	var s pgmSource
	cmd := &cobra.Command{
		Use:   "send --local ADDRESS",
		Short: "Send each line of standard input as a message",
		Long: `Sends each line of standard input as one message to the group, until its end.
What is lost on the way is repaired on request. With --receiver the sender
waits for that receiver rather than overrun it. Prints the counts at the end.`,
		Example: `  echo hello | vipd pgm send --local 10.0.0.1
  vipd pgm send --local 10.0.0.1 --receiver 10.0.0.2:7501 --json < lines`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			sender, err := s.start(cmd)
			if err != nil {
				return err
			}
			defer sender.Close()
			if err := sendLines(ctx, cmd.InOrStdin(), sender); err != nil {
				return err
			}
			if err := sender.Close(); err != nil {
				return err
			}
			st := sender.Stats()
			if s.json {
				return printJSON(cmd.OutOrStdout(), struct {
					pgm.SenderStats
					Dropped map[string]uint64 `json:"dropped"`
				}{st, st.Dropped()})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d messages in %d packets, %d repairs\n", st.Messages, st.Packets, st.Repairs)
			return err
		},
	}
	s.flags(cmd)
	return cmd
}

func sendLines(ctx context.Context, in io.Reader, sender *pgm.Sender) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, pgm.MaxMessage+1)
	for lines.Scan() {
		if err := sender.Send(ctx, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

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

// start opens the receiver.
func (s *pgmSink) start(cmd *cobra.Command) (*pgm.Receiver, error) {
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
	Event  string  `json:"event"` // message, lost, end, behind
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
		m, err := r.Receive(ctx)
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

// pgmEventOf tells what Receive returned; ok is false when it is over.
func pgmEventOf(m pgm.Message, err error) (e pgmEvent, ok bool) {
	var loss *pgm.LossError
	var end *pgm.EndError
	var behind *pgm.BehindError
	switch {
	case err == nil:
		return pgmEvent{Event: "message", Source: m.Source.String(), From: m.From.String(), Data: string(m.Data)}, true
	case errors.As(err, &loss):
		e = pgmEvent{Event: "lost", Source: loss.Source.String(), First: (*uint32)(&loss.First), Lost: loss.Count()}
	case errors.As(err, &end):
		e = pgmEvent{Event: "end", Source: end.Source.String()}
	case errors.As(err, &behind):
		e = pgmEvent{Event: "behind", Source: behind.Source.String()}
	default:
		return e, false
	}
	e.Text = err.Error()
	return e, true
}

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

func benchSend(ctx context.Context, cmd *cobra.Command, s *pgmSource, plan traffic.Plan) error {
	sender, err := s.start(cmd)
	if err != nil {
		return err
	}
	defer sender.Close()
	sent, err := traffic.Send(ctx, plan, sender.Send)
	if err != nil {
		return err
	}
	if err := sender.Close(); err != nil {
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
		m, err := r.Receive(ctx)
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
