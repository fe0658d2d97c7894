package machines

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/machines/image"
)

// The groups start where they belong, the data server on both, the others on one; go to
// each of the four places that the address and the historian can be at; do as operators
// say; outlive the daemon; and come and go by a reload.
func TestGroups(t *testing.T) {
	t.Parallel()
	// The lease outlasts a restart, however busy this computer is.
	p := startPlantWith(t, map[string]string{unitFolder + "/idle.service": "[Service]\nExecStart=/usr/bin/sleep infinity\n"},
		"tolerance = 5", "tolerance = 25")
	servers := p.Runners(image.Mosquitto)
	p.runs(servers, A, B)
	if g := p.a.group("historian"); !strings.Contains(g.Contained, "keeper") {
		t.Errorf("the historian is contained by %q", g.Contained)
	}
	for _, step := range []func(*Runners){p.goPlaces, p.obey, p.loseWriter, p.loseDaemon, p.reload} {
		step(servers)
		p.audit()
	}
}

// goPlaces goes to the four.
func (p *plant) goPlaces(servers *Runners) {
	for _, c := range []struct{ front, history string }{{B, A}, {B, B}, {A, B}, {A, A}} {
		p.a.Run("vipd", "move", Front, "--to", c.front)
		p.a.Run("vipd", "group", "move", "historian", "--to", c.history)
		p.Answers(c.front)
		p.writes(c.history)
		p.runs(p.values, c.history)
		p.runs(servers, A, B)
	}
	p.a.Run("vipd", "release", Front)
	p.a.Run("vipd", "release", historian)
}

// obey does what operators say. A restart is under the same grant.
func (p *plant) obey(servers *Runners) {
	epoch := p.writes(A)
	writer := p.a.mainProcesses(Writer)
	p.a.Run("vipd", "group", "restart", "historian")
	if again := p.writes(A); again != epoch || slices.Equal(p.a.mainProcesses(Writer), writer) {
		p.t.Errorf("restarted, it writes under epoch %d (was %d) as %v", again, epoch, writer)
	}
	p.a.Run("vipd", "group", "stop", "historian")
	p.runs(p.writers)
	p.a.Run("vipd", "group", "start", "historian")
	p.writes(A)
	p.a.Run("vipd", "group", "stop", "dataserver", "--node", A)
	p.Answers(B)
	p.runs(servers, B)
	p.a.Run("vipd", "group", "start", "dataserver", "--node", A)
	p.settles()
	p.a.Run("vipd", "group", "restart", "dataserver")
	p.settles()
}

// loseWriter kills the writer, which is started again under the same epoch.
func (p *plant) loseWriter(*Runners) {
	epoch := p.writes(A)
	p.a.Systemctl("kill", "--signal=SIGKILL", Writer)
	p.Eventually("it was started again", func() bool { return p.a.group("historian").Restarts == 1 })
	if again := p.writes(A); again != epoch {
		p.t.Errorf("it writes under epoch %d, had %d", again, epoch)
	}
}

// loseDaemon kills the daemon. The next one finds every unit where it was: none is
// started twice, none ends, nothing moves.
func (p *plant) loseDaemon(*Runners) {
	epoch, steady := p.writes(A), time.Now()
	before := p.a.mainProcesses(image.Mosquitto, Writer, image.Redis)
	const kills = 3
	for range kills {
		daemon := p.a.Property(daemonUnit, "MainPID")
		p.a.Systemctl("kill", "--kill-whom=main", "--signal=SIGKILL", daemonUnit)
		p.Eventually("another daemon has the groups", func() bool {
			return p.a.Property(daemonUnit, "MainPID") != daemon && p.a.Holds(historian) && p.a.Holds(Front) &&
				p.a.group("historian").State == "running" && p.a.group("rtdb").State == "running"
		})
	}
	if now := p.a.mainProcesses(image.Mosquitto, Writer, image.Redis); !slices.Equal(now, before) {
		p.t.Errorf("processes %v became %v", before, now)
	}
	if again := p.writes(A); again != epoch {
		p.t.Errorf("it writes under epoch %d, had %d", again, epoch)
	}
	if order := p.writers.Order(steady); !slices.Equal(order, []string{A}) {
		p.t.Errorf("the writer ran on %q", order)
	}
	p.OnlyAnswered(A, steady)
}

// reload takes one group away and adds another. A reload is a signal: whichever daemon
// has read the file first takes what is new, and so hist-a is to be first.
func (p *plant) reload(*Runners) {
	idle := p.Runners("idle.service")
	next, _, _ := strings.Cut(plantConfig(), "[group.rtdb]")
	_, expert, _ := strings.Cut(plantConfig(), "[expert]")
	next += "[group.idle]\nunits = [\"idle.service\"]\n\n[expert]" + expert
	for _, m := range []*Machine{p.a, p.b} {
		m.Write("/etc/vipd/vipd.toml", strings.Replace(next, "tolerance = 5", "tolerance = 25", 1))
		m.Systemctl("reload", daemonUnit)
		p.Eventually(m.name+" has read its file again", func() bool { return m.group("idle").Name != "" })
	}
	p.runs(idle, A)
	p.runs(p.values)
	p.writes(A)
}

// mainProcesses lists the main process of each unit, and which of its lives it is.
func (m *Machine) mainProcesses(units ...string) (list []string) {
	m.lab.t.Helper()
	for _, unit := range units {
		list = append(list, unit+" "+m.Property(unit, "MainPID")+" "+m.Property(unit, "InvocationID"))
	}
	return list
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
		if said, err := a.Try("vipd", "check"); err == nil || !strings.Contains(said, "/etc/vipd/vipd.toml:") || !strings.Contains(said, remedy) {
			t.Errorf("vipd check does not say %q: %v\n%s", remedy, err, said)
		}
	}
	refused("systemctl disable " + image.Mosquitto)
	a.Systemctl("disable", image.Mosquitto)
	a.Write("/etc/vipd/vipd.toml", strings.ReplaceAll(serverConfig(), image.Mosquitto, "postgresql.service"))
	refused("systemctl list-unit-files 'postgresql*'")
	a.Write("/etc/vipd/vipd.toml", serverConfig())
	if said, _ := a.Try("vipd", "check"); strings.Contains(said, "systemd") || strings.Contains(said, "invalid") {
		t.Errorf("vipd check: %s", said)
	}
	a.Systemctl("start", daemonUnit)
	l.Answers(A)
}

// What was taken out of the file while no daemon ran is stopped by the next one, which
// says so, and is then systemd's alone again.
func TestTakenOutMeanwhile(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Names: []string{A}, Config: serverConfig()})
	a, servers := l.Machine(A), l.Runners(image.Mosquitto)
	l.Eventually("it serves", a.serves)
	before, _, _ := strings.Cut(serverConfig(), "[group.dataserver]")
	a.Write("/etc/vipd/vipd.toml", strings.Replace(before, "requires = [\"dataserver\"]\n", "", 1))
	a.Systemctl("kill", "--kill-whom=main", "--signal=SIGKILL", daemonUnit)
	l.Eventually("it is stopped", func() bool { return servers.Now() == nil })
	l.Eventually("it is said", func() bool {
		return strings.Contains(a.Journal(daemonUnit), "stopped "+image.Mosquitto+", which an earlier daemon left")
	})
	if drops := a.Property(image.Mosquitto, "DropInPaths"); strings.Contains(drops, "vipd") {
		t.Errorf("it still has %s", drops)
	}
	l.Answers(A)
}
