package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"vipd/pgm/traffic"
)

// plan writes a load as a child's arguments.
func plan(l load) []string {
	return []string{fmt.Sprintf("count=%d", l.Count), fmt.Sprintf("size=%d", l.Size), fmt.Sprintf("mps=%.0f", l.PerSecond),
		fmt.Sprintf("receivers=%d", l.receivers)}
}

// ours is package pgm over UDP, its receivers known to the sender.
func ours(option string) func(*network, settings, load) result { return self("pgm", option) }

// tcp is one stream for each receiver.
func tcp(n *network, s settings, l load) result { return self("tcp", "")(n, s, l) }

// self runs this program as both ends.
func self(what, option string) func(*network, settings, load) result {
	return func(n *network, s settings, l load) result {
		exe, err := os.Executable()
		if err != nil {
			return result{fail: err}
		}
		args := append([]string{childWord, what, "recv", option}, plan(l)...)
		send := append([]string{childWord, what, "send", option}, plan(l)...)
		return n.race(l,
			func(i int) (*program, error) { return n.start(i, exe, append(args, fmt.Sprintf("host=%d", i))...) },
			func() (*program, error) { return n.start(1, exe, send...) },
			func(ctx context.Context, p *program) (got traffic.Received, err error) { return got, p.last(ctx, &got) })
	}
}

// peerReport is what openpgm.c prints.
type peerReport struct {
	Received, Missing, Disorder, Corrupt int
	Seconds, CPU, P50, P99, P999         float64
}

// openPGM is OpenPGM, tuned as its users do: 60000 packets of window, NAK
// timers of 2, 20 and 20 ms, no rate limit. Port 0 is raw IP.
func openPGM(port int) func(*network, settings, load) result {
	return func(n *network, s settings, l load) result {
		if s.peer == "" {
			return result{fail: errors.New("not installed")}
		}
		args := func(mode string, i int) []string {
			return append([]string{mode, fmt.Sprintf("network=%s;239.192.77.2", address(i)), fmt.Sprintf("port=%d", port),
				fmt.Sprintf("name=host%d", i), "idle=3000", "patience=20000", "check=0"}, plan(l)...)
		}
		return n.race(l,
			func(i int) (*program, error) { return n.start(i, s.peer, args("recv", i)...) },
			func() (*program, error) { return n.start(1, s.peer, args("send", 1)...) },
			func(ctx context.Context, p *program) (traffic.Received, error) {
				var r peerReport
				err := p.last(ctx, &r)
				return traffic.Received{Messages: r.Received, Lost: r.Missing, Disorder: r.Disorder, Corrupt: r.Corrupt,
					Seconds: r.Seconds, CPU: r.CPU, P50: r.P50, P99: r.P99, P999: r.P999}, err
			})
	}
}
