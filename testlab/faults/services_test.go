package faults

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/testlab/rig"
	"vipd/testlab/standin"
	"vipd/vipd/control"
)

// mishap is something that befalls the services of hist-a, which has everything, and
// how it must end.
type mishap struct {
	name    string
	befall  func(*plant)
	address string        // "a" or "b": who has it in the end
	writer  string        // likewise
	told    string        // words of the journal
	by      string        // "a" or "b": whose journal
	lapses  bool          // the kernel alone ends the lease of its address; see overlap
	config  []string      // old and new texts of the configuration
	outage  time.Duration // the longest for a client of the data server; 0: told
}

// The longest outages, on a machine that has many laboratories to do at a time.
const (
	told    = time.Second     // somebody says what happened
	checked = 3 * time.Second // checks have to find out: three, each of which may hang
	unheard = 4 * time.Second // a dead time has to pass, and what belongs to it
)

var mishaps = []mishap{
	{name: "data server stopped by hand", address: "b", writer: "a", by: "a", told: "exit status 0",
		befall: func(p *plant) { p.a.strike(dataGroup, standin.DataServer, syscall.SIGTERM) }},
	{name: "data server killed", address: "b", writer: "a", by: "a", told: "group data: failing: exec:",
		befall: func(p *plant) { p.a.strike(dataGroup, standin.DataServer, syscall.SIGKILL) }},
	{name: "data server hung", outage: checked, address: "b", writer: "a", by: "a", told: "group data: failing: ",
		befall: func(p *plant) { p.a.strike(dataGroup, standin.DataServer, syscall.SIGSTOP) }},
	{name: "check failing", outage: checked, address: "b", writer: "a", by: "a", told: "group data: given up here",
		befall: func(p *plant) { p.a.whim(dataGroup, standin.Whims{Sick: true}) }},
	{name: "check hanging", outage: checked, address: "b", writer: "a", by: "a", told: "group data: given up here",
		befall: func(p *plant) { p.a.whim(dataGroup, standin.Whims{Mute: true}) }},
	{name: "port taken", address: "b", writer: "a", by: "a", told: "group data: given up here", befall: takePort},
	{name: "port held by a child of the dead", address: "b", writer: "a", by: "a", told: "group data: running", befall: func(p *plant) {
		p.a.whim(dataGroup, standin.Whims{Child: true})
		p.a.expect(0, "", "group", "restart", dataGroup, "--node", p.a.name)
		p.answers(p.b)
		p.ready(p.a)
		p.a.strike(dataGroup, standin.DataServer, syscall.SIGKILL)
		p.eventually("it runs again", func() bool {
			g := p.a.group(dataGroup)
			return g.State == control.GroupRunning && g.Restarts == 1
		})
	}},
	{name: "data server stopped by the operator", address: "b", writer: "a", by: "a", told: "group data: stopped",
		befall: func(p *plant) { p.a.expect(0, "", "group", "stop", dataGroup, "--node", p.a.name) }},

	{name: "historian killed", address: "a", writer: "a", by: "a", told: "killed by SIGKILL",
		befall: func(p *plant) { p.a.strike(historyGroup, standin.Historian, syscall.SIGKILL) }},
	{name: "historian hung", address: "a", writer: "a", by: "a", told: "group history: failing: ",
		befall: func(p *plant) { p.a.strike(historyGroup, standin.Historian, syscall.SIGSTOP) }},
	{name: "its database killed", address: "a", writer: "a", by: "a", told: "killed by SIGKILL",
		befall: func(p *plant) { p.a.strike(historyGroup, standin.RTDB, syscall.SIGKILL) }},
	{name: "crash loop on one", address: "a", writer: "b", by: "a", told: "group history: given up here", befall: func(p *plant) {
		p.a.whim(historyGroup, standin.Whims{Crash: 50 * time.Millisecond})
		p.a.strike(historyGroup, standin.Historian, syscall.SIGKILL)
	}},
	{name: "store gone for a while", address: "a", writer: "a", by: "a", told: "group history: failing: ",
		config: []string{"attempts = 1", "attempts = 20"}, befall: func(p *plant) { // however late the store is back on a busy host
			p.store.Shut()
			p.eventually("it is missed", func() bool { return p.a.said("group history: failing: ") > 0 })
			p.openStore()
		}},
	{name: "won't stop", address: "a", writer: "b", by: "b", told: "group history: running", befall: func(p *plant) {
		p.misborn(standin.Whims{Deaf: true})
		p.a.expect(0, "moved", "group", "move", historyGroup, "--to", p.b.name)
	}},
	{name: "child in a session of its own", address: "a", writer: "b", by: "b", told: "group history: running", befall: func(p *plant) {
		p.misborn(standin.Whims{Child: true, Deaf: true})
		p.a.expect(0, "moved", "group", "move", historyGroup, "--to", p.b.name)
	}},

	{name: "power cut", outage: unheard, address: "b", writer: "b", by: "b", told: "(peer-silent)",
		befall: func(p *plant) { p.lose(p.a) }},
	{name: "daemon stopped", address: "b", writer: "b", by: "b", told: "(peer-resigned)",
		befall: func(p *plant) { p.a.signal(syscall.SIGTERM) }},
	{name: "daemon killed", outage: unheard, address: "b", writer: "b", by: "b", told: "(peer-silent)", lapses: true,
		befall: func(p *plant) { p.a.signal(syscall.SIGKILL) }},
	{name: "daemon frozen", outage: unheard, address: "b", writer: "b", by: "b", told: "(peer-silent)", lapses: true,
		befall: func(p *plant) { p.a.signal(syscall.SIGSTOP) }},
	{name: "daemon frozen for a while", outage: unheard, address: "b", writer: "b", by: "a", told: "did not run for longer than a dead time", lapses: true,
		befall: func(p *plant) {
			p.a.signal(syscall.SIGSTOP)
			p.writes(p.b)
			p.a.signal(syscall.SIGCONT)
		}},
	{name: "daemon killed and started again", address: "a", writer: "a", by: "a", told: "adopted from the daemon before",
		config: []string{"tolerance = 5", "tolerance = 10"}, befall: func(p *plant) {
			before := append(p.a.pids(dataGroup, standin.DataServer), p.a.pids(historyGroup, standin.Historian)...)
			p.a.signal(syscall.SIGKILL)
			p.eventually("it is dead", func() bool { return syscall.Kill(p.a.proc.PID(), 0) != nil })
			p.a.run()
			p.ready(p.a)
			if after := append(p.a.pids(dataGroup, standin.DataServer), p.a.pids(historyGroup, standin.Historian)...); !slices.Equal(after, before) {
				p.t.Errorf("processes %v were %v before", after, before)
			}
		}},
	{name: "standby heard no more", address: "a", writer: "a", by: "a", told: ": silent", befall: func(p *plant) {
		heal := p.deafen(p.b, p.a)
		p.eventually("it is missed", func() bool { return p.a.said(": silent") > 0 })
		heal()
	}},
	{name: "holder heard no more", outage: unheard, address: "b", writer: "b", by: "a", told: "group:history dropping (lease-expired)", befall: func(p *plant) {
		heal := p.deafen(p.a, p.b)
		p.answers(p.b)
		p.eventually("hist-b writes", func() bool { return p.store.Newest().Node == p.b.name })
		heal()
	}},
}

// takePort has another program listen where the data server of hist-a would.
func takePort(p *plant) {
	p.a.expect(0, "", "group", "stop", dataGroup, "--node", p.a.name)
	p.answers(p.b)
	if _, err := p.a.host.Start(rig.Process{Path: standin.Path(p.dir, standin.RTDB), Args: []string{"-port", fmt.Sprint(dataPort)}}); err != nil {
		p.t.Fatal(err)
	}
	p.eventually("the port is taken", func() bool {
		return p.a.host.Do(func() error {
			listener, err := listen(dataPort)
			if err == nil {
				listener.Close()
			}
			return err
		}) != nil
	})
	p.a.expect(0, "", "group", "start", dataGroup, "--node", p.a.name)
}

// misborn has the historian of hist-a start anew with these whims.
func (p *plant) misborn(w standin.Whims) {
	p.t.Helper()
	p.a.whim(historyGroup, w)
	before := p.a.pids(historyGroup, standin.Historian)
	p.a.expect(0, "", "group", "restart", historyGroup)
	p.eventually("it was started anew", func() bool {
		now := p.a.pids(historyGroup, standin.Historian)
		return len(now) == 1 && len(before) == 1 && now[0] != before[0] && p.a.group(historyGroup).State == control.GroupRunning
	})
}

// Whatever befalls services: who has the address has a data server, one historian
// writes, and the journal says what happened.
func TestServices(t *testing.T) {
	t.Parallel()
	for _, m := range mishaps {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			p := newPlant(t, m.config...)
			p.start()
			nodes := map[string]*node{"a": p.a, "b": p.b}
			most := p.a.overlap()
			from := time.Now()
			m.befall(p)
			p.answers(nodes[m.address])
			p.writes(nodes[m.writer])
			p.eventually("the journal says "+m.told, func() bool { return nodes[m.by].said(m.told) > 0 })
			p.served(nodes[m.address])
			p.sound()
			p.oneRan()
			if !m.lapses {
				most = 0
			}
			p.notTwoFor(from, most)
			r := p.probe.Report(from, time.Now())
			t.Logf("the client went without the data server for %v", r.Datagrams.Outage)
			if longest := cmp.Or(m.outage, told); r.Datagrams.Outage-r.Stall > longest {
				t.Errorf("that is longer than %v, and the client itself was held up for %v", longest, r.Stall)
			}
		})
	}
}

// Both started at once: one historian.
func TestServicesStartedAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.a.run()
	p.b.run()
	p.eventually("somebody writes", func() bool { return p.store.Newest().Node != "" })
	holder := map[string]*node{p.a.name: p.a, p.b.name: p.b}[p.store.Newest().Node]
	p.writes(holder)
	p.ready(p.a)
	p.ready(p.b)
	p.sound()
	p.oneRan()
	p.oneAnswered(p.began)
}

// A historian that can't live anywhere ends given up on both, without going to and fro,
// until an operator forgives.
func TestCrashLoopOnBoth(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.start()
	for _, n := range []*node{p.a, p.b} {
		n.whim(historyGroup, standin.Whims{Crash: 50 * time.Millisecond})
	}
	p.a.strike(historyGroup, standin.Historian, syscall.SIGKILL)
	for _, n := range []*node{p.a, p.b} {
		p.eventually(n.name+" waits for a reset", func() bool { return strings.Contains(n.group(historyGroup).Text, "waits for a reset") })
	}
	newest := p.store.Newest()
	time.Sleep(3 * time.Second) // longer than a token waits before it is tried again
	if r := p.store.Newest(); r != newest {
		t.Errorf("%v wrote after all had given up", r)
	}
	for _, n := range []*node{p.a, p.b} {
		n.whim(historyGroup, standin.Whims{})
	}
	p.b.expect(0, "", "group", "start", historyGroup)
	p.eventually("somebody writes again", func() bool { return p.store.Newest().At > newest.At })
	p.answers(p.a) // the address never needed the historian
	p.sound()
	p.oneRan()
	p.oneAnswered(p.began)
}

// Data server and historian go separately or together: all four ways are reached, by
// plan, one after the other.
func TestFourWays(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.start()
	for _, way := range []struct {
		verb            []string
		address, writer *node
	}{
		{[]string{"group", "move", historyGroup, "--to", p.b.name}, p.a, p.b},
		{[]string{"move", front, "--to", p.b.name}, p.b, p.b},
		{[]string{"group", "move", historyGroup, "--to", p.a.name}, p.b, p.a},
		{[]string{"move", front, "--to", p.a.name}, p.a, p.a},
	} {
		p.a.expect(0, "moved", way.verb...)
		p.answers(way.address)
		p.writes(way.writer)
		p.served(way.address)
	}
	p.sound()
	p.oneRan()
	p.oneAnswered(p.began)
}
