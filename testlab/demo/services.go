package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
	"vipd/testlab/standin"
	"vipd/vipd/control"
)

// What the hosts run as services is this very program, under other names: nothing else
// needs to be there.
func init() { standin.Main() }

const (
	dataPort  = 7801
	storePort = 7900
	historian = "group:historian"
)

// withServices is what the configuration has more than the pair's while services run.
const withServices = `requires = ["data"]
failback_delay = "1500ms"

[group.data]
kind = "dataserver"
units = ["exec:/run/disk/standin-dataserver -port 7801 -page 7802"]
check = ["http://127.0.0.1:7802/"]
check_interval = "100ms"
start_grace = "1s"

[group.historian]
kind = "historian"
units = ["exec:/run/disk/standin-historian -store 192.0.2.100:7900 -page 7804"]
check = ["http://127.0.0.1:7804/"]
check_interval = "100ms"
start_grace = "1s"
auto_failback = false
disable_inheritance = false
`

var services = scenario{
	name:   "services",
	begins: (*stage).plantServices, ends: (*stage).clearServices,
	steps: []step{
		{what: "hist-a's data server is killed", act: killUnit("data"), then: pair.NameB, writer: pair.NameA},
		{what: "it was started again, the address goes back", act: (*stage).wait, then: pair.NameA, writer: pair.NameA},
		{what: "hist-a's historian is killed", act: killUnit("historian"), then: pair.NameA, writer: pair.NameA},
		{what: "hist-a loses power, with both", act: (*stage).cutPower, then: pair.NameB, writer: pair.NameB},
		{what: "hist-a boots again", act: (*stage).bootA, then: pair.NameA, writer: pair.NameB},
		{what: "the historian is moved to hist-a", act: (*stage).moveHistorian, then: pair.NameA, writer: pair.NameA},
	},
}

// plant is the services of the pair, and who watches them.
type plant struct {
	store standin.Store
	probe *rig.Probe // asks the data server by the shared address
}

// unable is why this host can't show something.
type unable struct{ error }

// plantServices adds services to the pair while it runs, and returns when they do.
func (st *stage) plantServices(ctx context.Context) error {
	if err := st.ready(ctx); err != nil {
		return err
	}
	if err := st.A.Uncontained(); err != nil {
		return unable{err}
	}
	if err := pair.InstallStandIns("/proc/self/exe"); err != nil {
		return err
	}
	p := &plant{}
	if err := st.Client.Do(func() error {
		listener, err := net.Listen("tcp", ":"+strconv.Itoa(storePort))
		if err == nil {
			p.store.Serve(listener)
		}
		return err
	}); err != nil {
		return err
	}
	p.probe = st.Client.Probe(netip.AddrPortFrom(pair.Shared.Addr(), dataPort))
	st.plant = p
	st.tl.say("a data server on both and a historian on one are added")
	err := pair.ChangeVIPD(cluster, false, withServices)
	for _, n := range []*pair.Node{st.A, st.B} { // hist-a first, so that it has everything
		err = errors.Join(err, n.Daemon.Reload())
		for err == nil && !n.Runs(ctx, "data") {
			err = pause(ctx)
		}
	}
	if err == nil {
		err = st.settle(ctx, step{then: pair.NameA, writer: pair.NameA})
	}
	if err != nil {
		st.clearServices(ctx)
	}
	return err
}

// clearServices takes the services away again.
func (st *stage) clearServices(ctx context.Context) error {
	err := pair.ChangeVIPD(cluster, false, "")
	for _, n := range []*pair.Node{st.A, st.B} {
		err = errors.Join(err, n.Daemon.Reload())
		for n.Host() != nil && (n.Runs(ctx, "data") || n.Runs(ctx, "historian")) && ctx.Err() == nil {
			err = errors.Join(err, pause(ctx))
		}
	}
	st.plant.probe.Close()
	st.plant.store.Shut()
	st.plant = nil
	return err
}

// killUnit kills what hist-a runs as the group.
func killUnit(group string) func(*stage, context.Context) error {
	return func(st *stage, _ context.Context) error {
		pids := st.A.Processes(group)
		if len(pids) == 0 {
			return fmt.Errorf("hist-a runs no %s", group)
		}
		return syscall.Kill(pids[0], syscall.SIGKILL)
	}
}

func (st *stage) wait(context.Context) error { return nil }

func (st *stage) moveHistorian(ctx context.Context) error {
	_, err := st.B.Control().Move(ctx, control.MoveRequest{Token: historian, To: pair.NameA})
	return err
}

// settle waits until the host answers for the data server and the writer writes.
func (p *plant) settle(ctx context.Context, do step) error {
	from := standin.Now() + writeSteady
	bounded, cancel := context.WithTimeout(ctx, pair.StepLimit)
	defer cancel()
	err := p.probe.Steady(bounded, do.then, pair.SteadyFor)
	for err == nil {
		if r := p.store.Newest(); r.Node == do.writer && r.At > from {
			return nil
		}
		if err = pause(bounded); err != nil {
			err = fmt.Errorf("%s did not write within %v", do.writer, pair.StepLimit)
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return pair.ErrInterrupted
	}
	return err
}

// writeSteady is how long after a step a row must be written to count.
const writeSteady = 100 * time.Millisecond

// writing is what the store saw since a step began.
func (p *plant) writing(since time.Duration) *Writing {
	h := p.store.History(since - writeSteady) // with the rows before it, so that a pause has a beginning
	w := &Writing{By: []Writer{}, PauseMS: ms(h.Stood(standin.Now())), Refused: len(h.Refused), OverlapMS: ms(h.Overlap())}
	for _, t := range h.Tenures() {
		w.By = append(w.By, Writer{t.Node, t.Epoch, t.Rows})
	}
	return w
}

// pause is between two looks; it returns early with an error when ctx ends.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lookEvery):
		return nil
	}
}
