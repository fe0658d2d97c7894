package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"vipd/testlab/pair"
	"vipd/vipd/control"
)

// scene is how a scenario wants the hosts: their networks and addresses.
type scene struct {
	onePath   bool // no redundancy cable
	ordinary  bool // the daemons may not run before others
	addresses int  // shared ones besides the first
}

// subject is a daemon in one of its configurations.
type subject struct {
	name     string
	interval time.Duration // of heartbeats or advertisements
	// write puts its configuration on the disk of the hosts.
	write func(scene) error
	run   func(*program) pair.Program
	// move gives the address to hist-b.
	move func(context.Context, *pair.Pair) error
	own  bool   // it is vipd
	more string // of its configuration
}

func (s *subject) peer() bool { return !s.own }

const (
	normalInterval = 50 * time.Millisecond
	fastInterval   = 5 * time.Millisecond

	fastProfile = "\n[heartbeat]\nprofile = \"fast\"\n"
	// fastAlone is the same heartbeats where the profile is refused.
	fastAlone = "\n[heartbeat]\ninterval = \"5ms\"\n"
)

// chooseSubjects finds the modes of vipd and what it is compared with.
func chooseSubjects(modes, peer string) ([]subject, error) {
	var chosen []subject
	for mode := range strings.SplitSeq(modes, ",") {
		switch mode {
		case "default":
			chosen = append(chosen, vipd("vipd", normalInterval, ""))
		case "fast":
			chosen = append(chosen, vipd("vipd fast", fastInterval, fastProfile))
		default:
			return nil, fmt.Errorf("-mode: no mode %q; there are default and fast", mode)
		}
	}
	switch peer {
	case "":
		return chosen, nil
	case "keepalived":
		path, err := exec.LookPath("keepalived")
		if err != nil {
			return nil, errors.New("-peer: keepalived is not installed")
		}
		return append(chosen, keepalivedUsual(path), keepalivedBest(path)), nil
	}
	return nil, fmt.Errorf("-peer: no peer %q; there is keepalived", peer)
}

// vipd is our daemon with more added to its configuration.
func vipd(name string, interval time.Duration, more string) subject {
	return subject{
		name: name, interval: interval, own: true, more: more,
		write: func(s scene) error {
			more := more
			if s.ordinary && more == fastProfile {
				more = fastAlone
			}
			return pair.WriteVIPD("bench", s.onePath, manyVIPs(s.addresses)+more)
		},
		run: func(p *program) pair.Program { return pair.VIPD(p.path) },
		move: func(ctx context.Context, p *pair.Pair) error {
			_, err := p.A.Control().Move(ctx, control.MoveRequest{Token: pair.Token, To: pair.NameB})
			return err
		},
	}
}

// manyVIPs configures that many more shared addresses, in tokens of up to 50.
func manyVIPs(addresses int) string {
	const most = 50
	var b strings.Builder
	for first := 0; first < addresses; first += most {
		fmt.Fprintf(&b, "\n[vip.more%d]\ninterface = \"eth0\"\naddresses = [", first/most)
		for i := first; i < min(first+most, addresses); i++ {
			fmt.Fprintf(&b, "%q, ", extraAddress(i))
		}
		b.WriteString("]\n")
	}
	return b.String()
}
