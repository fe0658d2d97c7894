package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"vipd/pgm"
	"vipd/pgm/traffic"
)

// childWord makes this program one end of a run instead of the bench.
const childWord = "end"

// end is one end of a run.
type end struct {
	plan            traffic.Plan
	host, receivers int
	window          int
	pack            bool
	seal            pgm.Seal
}

// child runs one end: what it is, send or recv, then key=value.
func child(args []string) error {
	e := end{window: 60000}
	for _, a := range args[2:] {
		key, value, _ := strings.Cut(a, "=")
		n, _ := strconv.Atoi(value) // written by plan
		switch key {
		case "count":
			e.plan.Count = n
		case "size":
			e.plan.Size = n
		case "mps":
			e.plan.PerSecond = float64(n)
		case "host":
			e.host = n
		case "receivers":
			e.receivers = n
		case "window":
			e.window = n
		case "pack":
			e.pack = n == 1
		case "seal":
			var err error
			if e.seal, err = newGCM(); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch strings.Join(args[:2], " ") {
	case "pgm send":
		return e.pgmSend(ctx)
	case "pgm recv":
		return e.pgmReceive(ctx)
	case "tcp send":
		return e.tcpSend(ctx)
	case "tcp recv":
		return e.tcpReceive()
	}
	return fmt.Errorf("unknown end %q", args)
}

func print(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }

var group = netip.MustParseAddrPort("239.192.77.2:3056")

// flowPort is where receivers tell how far they are.
const flowPort = 7501

func (e end) pgmSend(ctx context.Context) error {
	link, err := pgm.SenderUDP(pgm.UDPOptions{Local: address(1), Group: group})
	if err != nil {
		return err
	}
	o := pgm.SenderOptions{Window: e.window, Pack: e.pack, Seal: e.seal, Linger: 10 * time.Second}
	for i := range e.receivers {
		o.Receivers = append(o.Receivers, netip.AddrPortFrom(address(2+i), flowPort))
	}
	s, err := pgm.NewSender(link, o)
	if err != nil {
		return err
	}
	sent, err := traffic.Send(ctx, e.plan, func(ctx context.Context, m []byte) error {
		_, err := s.Send(ctx, m)
		return err
	})
	if err != nil {
		return err
	}
	if err := s.Close(context.Background()); err != nil {
		return err
	}
	return print(sent)
}

func (e end) pgmReceive(ctx context.Context) error {
	link, err := pgm.ReceiverUDP(pgm.UDPOptions{Local: address(e.host), Group: group})
	if err != nil {
		return err
	}
	r, err := pgm.NewReceiver(link, pgm.ReceiverOptions{Pack: e.pack, Seal: e.seal, Flow: netip.AddrPortFrom(address(e.host), flowPort)})
	if err != nil {
		return err
	}
	defer r.Close()
	if err := print(map[string]bool{"ready": true}); err != nil {
		return err
	}
	c := traffic.Counter{Plan: e.plan}
	for !c.Done() {
		m, err := r.Next(ctx)
		var gone *pgm.EndError
		var loss *pgm.LossError
		switch {
		case errors.As(err, &loss): // counted by what is missing
		case errors.As(err, &gone):
			return print(c.Result())
		case err != nil:
			return err
		default:
			c.Take(m.Data)
		}
	}
	got := c.Result()
	time.Sleep(50 * time.Millisecond) // the sender still learns that all is here
	return print(got)
}

// buffer is TCP's share of batching: messages are written when it is full.
const buffer = 64 << 10

func (e end) tcpSend(ctx context.Context) error {
	var streams []*bufio.Writer
	for i := range e.receivers {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(address(2+i), flowPort).String())
		if err != nil {
			return err
		}
		defer c.Close()
		streams = append(streams, bufio.NewWriterSize(c, buffer))
	}
	flush := func() (err error) {
		for _, w := range streams {
			err = errors.Join(err, w.Flush())
		}
		return err
	}
	sent, err := traffic.Send(ctx, e.plan, func(_ context.Context, m []byte) (err error) {
		for _, w := range streams {
			if _, err := w.Write(m); err != nil {
				return err
			}
		}
		if e.plan.PerSecond > 0 {
			err = flush()
		}
		return err
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	return print(sent)
}

func (e end) tcpReceive() error {
	l, err := net.Listen("tcp", netip.AddrPortFrom(address(e.host), flowPort).String())
	if err != nil {
		return err
	}
	defer l.Close()
	if err := print(map[string]bool{"ready": true}); err != nil {
		return err
	}
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, buffer)
	c := traffic.Counter{Plan: e.plan}
	for m := make([]byte, e.plan.Size); !c.Done(); {
		if _, err := io.ReadFull(in, m); err != nil {
			return err
		}
		c.Take(m)
	}
	return print(c.Result())
}
