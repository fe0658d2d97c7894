package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/pgm/traffic"
	"vipd/testlab/offload"
	"vipd/testlab/rig"
)

// network is the source, host 1, and two receivers on one switch.
type network struct {
	sw    *rig.Switch
	hosts [4]*rig.Host
	ports [4]*rig.Port
}

// newNet wires the hosts and tells them each other's hardware addresses for
// good: a cable that loses frames also loses ARP.
func newNet(lab *rig.Lab) (*network, error) {
	n := &network{sw: lab.Switch("lan")}
	for i := 1; i <= 3; i++ {
		n.hosts[i] = lab.Host(fmt.Sprintf("host-%d", i))
		n.ports[i] = n.hosts[i].Plug(n.sw, "eth0", netip.PrefixFrom(address(i), 24))
	}
	for at := 1; at <= 3; at++ {
		for of := 1; of <= 3; of++ {
			peer := &netlink.Neigh{LinkIndex: n.ports[at].Index(), State: netlink.NUD_PERMANENT, IP: address(of).AsSlice(), HardwareAddr: n.ports[of].MAC()}
			if at != of {
				if err := n.hosts[at].Handle().NeighSet(peer); err != nil {
					return nil, err
				}
			}
		}
	}
	return n, nil
}

func address(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) }

// segmentation says whether super-packets leave the source's card.
func (n *network) segmentation(super bool) error {
	return n.hosts[1].Do(func() error { return offload.Set("eth0", offload.UDPSegmentation, super) })
}

// lose loses frames to both receivers.
func (n *network) lose(perMille int) (undo func()) {
	if perMille == 0 {
		return func() {}
	}
	a := n.sw.Drop(rig.Fault{To: n.ports[2], PerMille: perMille})
	b := n.sw.Drop(rig.Fault{To: n.ports[3], PerMille: perMille})
	return func() { a(); b() }
}

// program is a contestant's process.
type program struct {
	proc  *rig.Proc
	mu    sync.Mutex
	out   bytes.Buffer
	err   bytes.Buffer
	ready chan struct{}
	once  sync.Once
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.IndexByte(b, '\n') >= 0 {
		p.once.Do(func() { close(p.ready) })
	}
	return p.out.Write(b)
}

// start starts a program on host i.
func (n *network) start(i int, path string, args ...string) (*program, error) {
	p := &program{ready: make(chan struct{})}
	var err error
	p.proc, err = n.hosts[i].Start(rig.Process{Path: path, Args: args, Stdout: p, Stderr: &p.err})
	return p, err
}

// limit is how long one run may take.
const limit = 60 * time.Second

// last waits for the program's end and reads the last line it printed.
func (p *program) last(ctx context.Context, v any) error {
	if err := p.proc.Wait(ctx); err != nil {
		p.proc.Kill()
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(p.err.String()))
	}
	lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
	return json.Unmarshal([]byte(lines[len(lines)-1]), v)
}

// race starts the receivers, then the sender, and collects what they print.
func (n *network) race(l load, recv func(i int) (*program, error), send func() (*program, error),
	read func(ctx context.Context, p *program) (traffic.Received, error)) (r result) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var receivers []*program
	for i := 2; i < 2+l.receivers; i++ {
		p, err := recv(i)
		if err != nil {
			return result{fail: err}
		}
		defer p.proc.Kill()
		receivers = append(receivers, p)
		select {
		case <-p.ready:
		case <-ctx.Done():
			return result{fail: errors.New("receiver is not ready: " + p.err.String())}
		}
	}
	sender, err := send()
	if err != nil {
		return result{fail: err}
	}
	defer sender.proc.Kill()
	for i, p := range receivers {
		got, err := read(ctx, p)
		if err != nil {
			return result{fail: fmt.Errorf("receiver: %w", err)}
		}
		if i == 0 || got.Messages < r.got.Messages || got.Messages == r.got.Messages && got.Seconds > r.got.Seconds {
			r.got = got
		}
	}
	if err := sender.last(ctx, &r.sent); err != nil {
		r.fail = fmt.Errorf("sender: %w", err)
	}
	return r
}

// buildPeer compiles openpgm.c; done removes what it made.
func buildPeer() (exe string, done func(), err error) {
	done = func() {}
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "openpgm-5.3").Output()
	if err != nil {
		return "", done, fmt.Errorf("libpgm-dev is not installed: %w", err)
	}
	dir, err := os.MkdirTemp("", "pgm-bench")
	if err != nil {
		return "", done, err
	}
	done = func() { os.RemoveAll(dir) }
	exe = filepath.Join(dir, "openpgm")
	args := append([]string{"-O2", "-o", exe, "testlab/interop/pgm/peer/openpgm.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return "", done, fmt.Errorf("compile openpgm.c (run from the top of the source tree): %w\n%s", err, out)
	}
	return exe, done, nil
}
