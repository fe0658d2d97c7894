package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"vipd/pgm"
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

// check refuses numbers out of their range.
func (p *pgmPath) check(cmd *cobra.Command) error {
	return inRange(cmd, flagRange{"ttl", float64(p.ttl), 1, 255}, flagRange{"window", float64(p.window), 1, 1 << 20})
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

// check refuses numbers out of their range.
func (s *pgmSource) check(cmd *cobra.Command) error {
	if err := s.pgmPath.check(cmd); err != nil {
		return err
	}
	return inRange(cmd, flagRange{"rate", s.rate, 0, math.Inf(1)}, flagRange{"max-fragments", float64(s.fragments), 0, pgm.MaxMessage},
		flagRange{"linger", s.linger.Seconds(), 0, math.Inf(1)}, flagRange{"leave-behind", s.behind.Seconds(), 0, math.Inf(1)})
}

// start opens the sender.
func (s *pgmSource) start(cmd *cobra.Command) (*pgm.Sender, error) {
	if err := s.check(cmd); err != nil {
		return nil, err
	}
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
			defer sender.Close(context.Background())
			if err := sendLines(ctx, cmd.InOrStdin(), sender); err != nil {
				return err
			}
			if err := sender.Close(context.Background()); err != nil {
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
		if _, err := sender.Send(ctx, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}
