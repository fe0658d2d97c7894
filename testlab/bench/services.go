package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
	"vipd/testlab/standin"
	"vipd/vipd/control"
)

// What the hosts run as services is this very program, under other names.
func init() { standin.Main() }

// Groups of the scenarios, and where their stand-ins read how to misbehave.
const (
	dataServer = "data"
	whims      = rig.Disk + "/whims"

	checkPeriod = 100 * time.Millisecond
	stopGrace   = 500 * time.Millisecond
)

// requiredGroup is a data server on both hosts, which the address requires. One check
// that fails is enough.
var requiredGroup = fmt.Sprintf(`requires = [%q]
failback_delay = "100ms"

[group.%s]
run = "both"
units = ["exec:%s -port 7801 -page 7802 -whims %s"]
check = ["http://127.0.0.1:7802/"]
check_interval = "%v"
rise = 1
fall = 1
restart = { attempts = 0, within = "1m" }
start_grace = "1s"
stop_timeout = "%v"
`, dataServer, dataServer, standin.Path(rig.Disk, standin.DataServer), whims, checkPeriod, stopGrace)

// idleGroups is how many groups the idle ones are.
const idleGroups = 20

// manyGroups are groups with a process each that does nothing, and a check at the usual
// interval that finds the host's responder.
func manyGroups() string {
	var b strings.Builder
	for i := range idleGroups {
		fmt.Fprintf(&b, "\n[group.g%d]\nrun = \"both\"\nunits = [\"exec:/bin/sleep %d\"]\ncheck = [\"tcp://127.0.0.1:%d\"]\n", i, 1000000+i, pair.ServicePort)
	}
	return b.String()
}

// settleGroups waits until both hosts run the groups.
func (t *trial) settleGroups(groups ...string) error {
	for _, n := range []*pair.Node{t.A, t.B} {
		for _, g := range groups {
			for !n.Runs(t.ctx, g) {
				if t.wait(lookEvery); t.ctx.Err() != nil {
					return fmt.Errorf("%s does not run group %s", n.Name(), g)
				}
			}
		}
	}
	return t.ctx.Err()
}

// lookEvery is how often it is looked whether something has come about.
const lookEvery = 10 * time.Millisecond

// serve makes both hosts run the data server, with the address on hist-a.
func (t *trial) serve() error {
	if err := t.reload(requiredGroup); err != nil {
		return err
	}
	if err := t.settleGroups(dataServer); err != nil {
		return err
	}
	return t.settle(nameA)
}

// reload changes the configuration while the daemons run.
func (t *trial) reload(more string) error {
	if err := t.A.Uncontained(); err != nil {
		return err
	}
	if err := pair.InstallStandIns("/proc/self/exe"); err != nil {
		return err
	}
	if err := pair.ChangeVIPD("bench", false, more+t.subject.more); err != nil {
		return err
	}
	return errors.Join(t.A.Daemon.Reload(), t.B.Daemon.Reload())
}

// misbehave has the data server of hist-a do so from now on.
func misbehave(w standin.Whims) error { return w.Set(whims, nameA) }

// processDeath kills the data server where the address is; the other host's runs.
func (t *trial) processDeath() error {
	if err := errors.Join(misbehave(standin.Whims{}), t.serve()); err != nil {
		return err
	}
	return t.change(func() error {
		pids := t.A.Processes(dataServer)
		if len(pids) != 1 {
			return fmt.Errorf("hist-a runs %d processes of the data server", len(pids))
		}
		return syscall.Kill(pids[0], syscall.SIGKILL)
	}, nameB)
}

// checkFails has the data server's check fail where the address is.
func (t *trial) checkFails() error {
	if err := errors.Join(misbehave(standin.Whims{}), t.serve()); err != nil {
		return err
	}
	return t.change(func() error { return misbehave(standin.Whims{Sick: true}) }, nameB)
}

// stopStubborn stops a data server that ignores SIGTERM, and a child of its own session
// with it, and measures until nothing is left, from the end of its grace on.
func (t *trial) stopStubborn() error {
	if err := errors.Join(misbehave(standin.Whims{Deaf: true, Child: true}), t.serve()); err != nil {
		return err
	}
	if n := len(t.A.Processes(dataServer)); n != 2 {
		return fmt.Errorf("hist-a runs %d processes of the data server, want it and its child", n)
	}
	from := time.Now()
	answer := make(chan error, 1)
	go func() {
		_, err := t.A.Control().Group(t.ctx, control.GroupOrder{Name: dataServer, Verb: control.GroupStop, Node: nameA})
		answer <- err
	}()
	events := t.A.Host().Path(pair.Cgroups + "/vipd/" + dataServer + "/cgroup.events")
	for populated(events) && t.ctx.Err() == nil {
		time.Sleep(200 * time.Microsecond)
	}
	t.values["gone after the grace"] = ms(time.Since(from) - stopGrace)
	err := <-answer
	t.values["survivors"] = float64(len(t.A.Processes(dataServer)))
	return errors.Join(err, misbehave(standin.Whims{}), t.letRun())
}

// letRun ends the stop, which the disk would remember in the next repetition.
func (t *trial) letRun() error {
	_, err := t.A.Control().Group(t.ctx, control.GroupOrder{Name: dataServer, Verb: control.GroupStart, Node: nameA})
	return err
}

// populated says whether a process is in the control group.
func populated(events string) bool {
	text, err := os.ReadFile(events)
	return err == nil && strings.Contains(string(text), "populated 1")
}

// groupsCost measures what the daemons use more when they watch groups, beside what they
// used before, in the same lab.
func (t *trial) groupsCost() error {
	t.Close() // client and witness
	without := t.used()
	if err := t.reload(manyGroups()); err != nil {
		return err
	}
	var names []string
	for i := range idleGroups {
		names = append(names, fmt.Sprintf("g%d", i))
	}
	if err := t.settleGroups(names...); err != nil {
		return err
	}
	with := t.used()
	for i, which := range []string{"active", "standby"} {
		t.values["CPU, "+which] = with[i]
		t.values["CPU more, "+which] = with[i] - without[i]
	}
	return t.ctx.Err()
}

// used is the share of a core, in %, that each daemon itself takes, without what it runs.
func (t *trial) used() (share [2]float64) {
	var before [2]time.Duration
	daemons := [2][]int{t.A.Daemon.Processes(), t.B.Daemon.Processes()}
	from := time.Now()
	for i := range daemons {
		daemons[i] = daemons[i][:min(1, len(daemons[i]))]
		before[i] = cpu(daemons[i])
	}
	t.wait(t.lasts)
	for i := range daemons {
		share[i] = 100 * (cpu(daemons[i]) - before[i]).Seconds() / time.Since(from).Seconds()
	}
	return share
}
