package machines

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/machines/image"
)

// The groups start where they belong, the data server on both, the others on one, and
// go to each of the four places that the address and the historian can be at.
func TestGroups(t *testing.T) {
	t.Parallel()
	p := startPlant(t)
	servers := p.Runners(image.Mosquitto)
	p.runs(servers, A, B)
	if g := p.a.group("historian"); !strings.Contains(g.Contained, "keeper") {
		t.Errorf("the historian is contained by %q", g.Contained)
	}
	for _, c := range []struct{ front, history string }{{B, A}, {B, B}, {A, B}, {A, A}} {
		p.a.Run("vipd", "move", Front, "--to", c.front)
		p.a.Run("vipd", "group", "move", "historian", "--to", c.history)
		p.Answers(c.front)
		p.writes(c.history)
		p.runs(p.values, c.history)
		p.runs(servers, A, B)
	}
	p.audit()
}

// A data server that is killed, stopped by hand, or hangs on the machine that answers
// has the address on the other, and back when it serves again.
func TestDataServer(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Config: serverConfig()})
	a := l.Machine(A)
	l.settles()
	for _, c := range []struct{ name, do string }{
		{"killed", "systemctl kill --kill-whom=all --signal=SIGKILL "},
		{"stopped", "systemctl stop "},
		{"hangs", "systemctl kill --kill-whom=all --signal=SIGSTOP "},
	} {
		began := time.Now()
		a.Run(strings.Fields(c.do + image.Mosquitto)...)
		l.Eventually("hist-b answers: "+c.name, func() bool { return l.answered(B, began) })
		l.settles()
	}
	l.OneAnswered(l.Began)
}

// answered says whether the machine was seen to answer since then.
func (l *Lab) answered(name string, since time.Time) bool {
	for _, s := range l.Witness.Holders(since, time.Now()) {
		if slices.Contains(s.Owners, name) {
			return true
		}
	}
	return false
}

// A writer that is killed is started again on its machine, under the same epoch. A
// daemon that is killed finds every unit where it was: none is started twice, none
// ends, nothing moves.
func TestKilled(t *testing.T) {
	t.Parallel()
	p := startPlant(t, "tolerance = 5", "tolerance = 25") // the lease outlasts a restart, however busy this computer is
	epoch := p.writes(A)
	p.a.Systemctl("kill", "--signal=SIGKILL", Writer)
	p.Eventually("it was started again", func() bool { return p.a.group("historian").Restarts == 1 })
	if again := p.writes(A); again != epoch {
		t.Errorf("it writes under epoch %d, had %d", again, epoch)
	}
	units := []string{image.Mosquitto, Writer, image.Redis}
	before := p.a.mainProcesses(units)
	steady := time.Now()
	const kills = 3
	for range kills {
		daemon := p.a.Property(daemonUnit, "MainPID")
		p.a.Systemctl("kill", "--kill-whom=main", "--signal=SIGKILL", daemonUnit)
		p.Eventually("another daemon has the groups", func() bool {
			return p.a.Property(daemonUnit, "MainPID") != daemon && p.a.Holds(historian) && p.a.Holds(Front) &&
				p.a.group("historian").State == "running" && p.a.group("rtdb").State == "running"
		})
	}
	if now := p.a.mainProcesses(units); !slices.Equal(now, before) {
		t.Errorf("processes %v became %v", before, now)
	}
	if again := p.writes(A); again != epoch {
		t.Errorf("it writes under epoch %d, had %d", again, epoch)
	}
	if order := p.writers.Order(steady); !slices.Equal(order, []string{A}) {
		t.Errorf("the writer ran on %q", order)
	}
	p.OnlyAnswered(A, steady)
	p.audit()
}

// mainProcesses lists the main process of each unit, and when it was started.
func (m *Machine) mainProcesses(units []string) (list []string) {
	m.lab.t.Helper()
	for _, unit := range units {
		list = append(list, unit+" "+m.Property(unit, "MainPID")+" "+m.Property(unit, "InvocationID"))
	}
	return list
}

// Operators stop, start and restart groups; a reload adds and removes them.
func TestOrders(t *testing.T) {
	t.Parallel()
	p := startPlantWith(t, map[string]string{unitFolder + "/idle.service": "[Service]\nExecStart=/usr/bin/sleep infinity\n"})
	servers, idle := p.Runners(image.Mosquitto), p.Runners("idle.service")
	epoch := p.writes(A)
	writer := p.a.mainProcesses([]string{Writer})
	p.a.Run("vipd", "group", "restart", "historian")
	if again := p.writes(A); again != epoch || slices.Equal(p.a.mainProcesses([]string{Writer}), writer) {
		t.Errorf("restarted, it writes under epoch %d (was %d) as %v", again, epoch, writer)
	}
	p.a.Run("vipd", "group", "stop", "historian")
	p.runs(p.writers)
	p.a.Run("vipd", "group", "start", "historian")
	p.writes(A)
	p.a.Run("vipd", "group", "stop", "dataserver", "--node", A)
	p.Answers(B)
	p.runs(servers, B)
	p.a.Run("vipd", "group", "start", "dataserver", "--node", A)
	p.Answers(A)
	p.a.Run("vipd", "group", "restart", "dataserver")
	p.runs(servers, A, B)

	next, _, _ := strings.Cut(plantConfig(), "[group.rtdb]")
	_, expert, _ := strings.Cut(plantConfig(), "[expert]")
	next += "[group.idle]\nunits = [\"idle.service\"]\n\n[expert]" + expert
	for _, m := range []*Machine{p.a, p.b} {
		m.Write("/etc/vipd/vipd.toml", next)
		m.Systemctl("reload", daemonUnit)
	}
	p.runs(idle, A)
	p.runs(p.values)
	p.writes(A)
	p.audit()
}

// What would start at boot on both machines, and what stands for other units, is
// refused when the configuration is loaded, with the remedy; systemd does not try on.
func TestRefusedUnits(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Names: []string{A}, Config: serverConfig(), Idle: true})
	a := l.Machine(A)
	a.Systemctl("enable", image.Mosquitto)
	refused := func(remedy string) {
		t.Helper()
		a.Try("systemctl", "start", daemonUnit)
		l.Eventually("it ended with code 3", func() bool {
			return a.Property(daemonUnit, "ActiveState") == "failed" && a.Property(daemonUnit, "ExecMainStatus") == "3"
		})
		if said := a.Journal(daemonUnit); !strings.Contains(said, remedy) {
			t.Errorf("it does not say %q:\n%s", remedy, said)
		}
	}
	refused("systemctl disable " + image.Mosquitto)
	a.Systemctl("disable", image.Mosquitto)
	a.Write("/etc/vipd/vipd.toml", strings.ReplaceAll(serverConfig(), image.Mosquitto, "postgresql.service"))
	refused("systemctl list-unit-files 'postgresql*'")
	a.Write("/etc/vipd/vipd.toml", serverConfig())
	a.Systemctl("start", daemonUnit)
	l.Answers(A)
}
