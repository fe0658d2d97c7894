package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"vipd/seal"
	"vipd/testlab/rig"
)

const (
	nameA = "hist-a"
	nameB = "hist-b"
	token = "vip:front"

	servicePort = 7777 // of the hosts' responders

	// steadyFor is how long a host must answer alone and without a break before it is
	// said to answer; stepLimit is how long that may take to come about.
	steadyFor = 600 * time.Millisecond
	stepLimit = 8 * time.Second

	witnessEvery = 2 * time.Millisecond
)

var errInterrupted = errors.New("interrupted")

// shared is the address that moves.
var shared = netip.MustParsePrefix("192.0.2.10/24")

// configuration is the file of both nodes.
const configuration = `cluster  = "demo"
key_file = "` + keyFile + `"

[node.hist-a]
addresses = ["192.0.2.11", "198.51.100.1"]
priority  = 200

[node.hist-b]
addresses = ["192.0.2.12", "198.51.100.2"]
priority  = 100

[vip.front]
address = "192.0.2.10/24"
`

const (
	configFile = rig.Disk + "/vipd.toml"
	keyFile    = rig.Disk + "/key"
)

// stage is everything the scenarios play on.
type stage struct {
	a, b    *node
	client  *rig.Host
	eye     *rig.Host // the witness is in
	probe   *rig.Probe
	witness *rig.Witness
	tl      *timeline
	moved   bool // an operator's move is in force
}

// build makes hosts and networks, starts both daemons, the client and the witness, and
// returns when the address answers.
func build(ctx context.Context, lab *rig.Lab, tl *timeline, exe string) (*stage, error) {
	if err := writeFiles(); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	st := &stage{tl: tl}
	st.a = newNode(lab, exe, nameA, "192.0.2.11/24", "198.51.100.1/24")
	st.b = newNode(lab, exe, nameB, "192.0.2.12/24", "198.51.100.2/24")
	st.client = lab.Host("client")
	st.client.Plug(lab.Switch(serviceLAN), "eth0", netip.MustParsePrefix("192.0.2.100/24"))
	st.probe = st.client.Probe(netip.AddrPortFrom(shared.Addr(), servicePort))
	st.eye = lab.Host("witness")
	eye := st.eye.Plug(lab.Switch(serviceLAN), "eth0", netip.MustParsePrefix("192.0.2.99/24"))
	st.witness = eye.Witness(shared.Addr(), witnessEvery)
	tl.watch(st)
	tl.say("two hosts start, each with a daemon")
	for _, n := range []*node{st.a, st.b} {
		if err := n.boot(); err != nil {
			return nil, err
		}
	}
	if err := st.steady(ctx, nameA); err != nil {
		tl.close()
		return nil, fmt.Errorf("the pair did not come up: %w\n%s", err, st.lastWords())
	}
	return st, nil
}

// writeFiles puts configuration and key on the disk that the hosts share.
func writeFiles() error {
	if err := os.WriteFile(keyFile, seal.NewKey().Text(), 0o600); err != nil {
		return err
	}
	return os.WriteFile(configFile, []byte(configuration), 0o644)
}

// end stops what watches, before the lab goes.
func (st *stage) end() {
	st.tl.close()
	st.probe.Close()
	st.witness.Close()
}

// ready returns the stage to where scenarios begin, also after one that failed.
func (st *stage) ready(ctx context.Context) error {
	if err := st.a.boot(); err != nil {
		return err
	}
	st.a.service.Up()
	for st.moved {
		err := st.release(ctx)
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("release the move: %w", err)
		case <-time.After(askEvery): // a daemon that was just started doesn't hear yet
		}
	}
	return st.steady(ctx, nameA)
}

// steady waits until that host answers, alone and without a break.
func (st *stage) steady(ctx context.Context, name string) error {
	bounded, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	err := st.probe.Steady(bounded, name, steadyFor)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return errInterrupted
	case ctx.Err() != nil:
		return fmt.Errorf("%s had not answered steadily when the time was over", name)
	}
	return fmt.Errorf("%s did not answer steadily within %v", name, stepLimit)
}

// play runs a scenario and returns what was measured of each of its steps.
func (st *stage) play(ctx context.Context, s scenario) []Row {
	begin := st.ready
	if s.begins != nil {
		begin = func(ctx context.Context) error { return s.begins(st, ctx) }
	}
	bounded, cancel := context.WithTimeout(ctx, 2*stepLimit)
	defer cancel()
	if err := begin(bounded); err != nil {
		row := Row{Scenario: s.name, What: s.do.what, Failed: "could not begin: " + err.Error()}
		st.tl.bad(s.name + " " + row.Failed)
		return []Row{row}
	}
	rows := []Row{st.measure(ctx, s.name, s.do)}
	if s.undo.act != nil && rows[0].Failed == "" {
		rows = append(rows, st.measure(ctx, s.name, s.undo))
	}
	return rows
}

// measure does one step and reports what client and witness saw from its beginning
// until the address answered steadily again.
func (st *stage) measure(ctx context.Context, name string, do step) Row {
	st.tl.title(do.what)
	from := time.Now()
	err := do.act(st, ctx)
	if err == nil {
		err = st.steady(ctx, do.then)
	}
	to := time.Now()
	row := newRow(name, do.what, st.probe.Report(from, to), st.witness, from, to)
	if err != nil {
		row.Failed = err.Error()
	}
	if err != nil && !errors.Is(err, errInterrupted) {
		st.tl.bad(do.what + ": " + row.Failed + "\n" + st.lastWords())
	}
	return row
}

// lastWords is the end of what each daemon wrote.
func (st *stage) lastWords() string { return st.a.daemon.words() + st.b.daemon.words() }

// stateDir is where a node's daemon keeps what must outlive a power cut.
func stateDir(name string) string { return filepath.Join(rig.Disk, name) }
