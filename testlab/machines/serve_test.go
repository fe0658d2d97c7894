package machines

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vipd/testlab/machines/image"
	"vipd/testlab/rig"
)

// Machines boot with vipd and nothing else of ours: every unit is up, the one of
// higher priority answers, and the services are there and not started.
func TestBoot(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{})
	l.Answers(A)
	for _, m := range l.Machines() {
		if failed := m.Systemctl("--failed", "--no-legend", "--plain"); failed != "" {
			t.Errorf("%s: failed are:\n%s", m.Name(), failed)
		}
		for _, unit := range []string{image.Mosquitto, image.Postgres, image.Redis} {
			if state, _ := m.Try("systemctl", "is-enabled", unit); strings.TrimSpace(state) != "disabled" {
				t.Errorf("%s: %s is %s, want disabled", m.Name(), unit, state)
			}
			if state, _ := m.Try("systemctl", "is-active", unit); strings.TrimSpace(state) != "inactive" {
				t.Errorf("%s: %s is %s, want inactive", m.Name(), unit, state)
			}
		}
		if said := m.Run("sh", "-c", "systemd-analyze verify --man=no vipd.service 2>&1"); said != "" {
			t.Errorf("%s: systemd-analyze says of the unit:\n%s", m.Name(), said)
		}
		if said := m.Journal(daemonUnit); strings.Contains(said, "mlockall") || strings.Contains(said, "nice") {
			t.Errorf("%s: the unit lacks a right:\n%s", m.Name(), said)
		}
	}
	l.OneAnswered(l.Began)
}

// Where the kernel's best dead-man switch is to be had, the unit has the rights for it.
func TestBestLease(t *testing.T) {
	t.Parallel()
	rig.Need(t, rig.BPF)
	l := Start(t, Options{Names: []string{A}})
	s, err := l.Machine(A).Status()
	if err != nil || s.LeaseLayer != "bpf" {
		t.Errorf("the layer is %q (%v)", s.LeaseLayer, err)
	}
}

// Power that is cut moves the address, and power that returns brings it back.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{})
	a := l.Machine(A)
	l.Answers(A)
	a.Write("/var/lib/before", "kept")
	a.Kill()
	l.Answers(B)
	a.Boot()
	l.Answers(A)
	if kept := a.Read("/var/lib/before"); kept != "kept" {
		t.Errorf("the disk has %q after the power cut", kept)
	}
	l.OneAnswered(l.Began)
}

// A machine that freezes whole, its daemon too, answers no longer than its lease, and
// when it goes on there is one that answers, at every moment.
func TestFreeze(t *testing.T) {
	t.Parallel()
	rig.Need(t, rig.BPF) // without, the kernel lets go seconds later
	l := Start(t, Options{})
	a := l.Machine(A)
	l.Answers(A)
	a.Freeze()
	if s, err := a.Status(); err == nil {
		t.Errorf("a frozen machine says %v", s)
	}
	l.Answers(B)
	taken := time.Now()
	a.Thaw()
	l.Eventually("hist-a has it again", func() bool { return a.Holds(Front) })
	l.Answers(A)
	l.OneAnswered(l.Began)
	if spans := l.Witness.Holders(taken, time.Now()); len(spans) == 0 || !slices.Equal(spans[0].Owners, []string{B}) {
		t.Errorf("not hist-b alone answered before the thaw: %v", spans)
	}
}

// A daemon that is killed is started again by systemd, adopts what it held, and
// nothing moves; however often, for there is no start limit.
func TestKilledDaemon(t *testing.T) {
	t.Parallel()
	// The lease outlasts a restart, however busy this computer is.
	l := Start(t, Options{Config: strings.Replace(Config, "tolerance = 5", "tolerance = 25", 1)})
	a := l.Machine(A)
	l.Answers(A)
	steady := time.Now()
	const kills = 6 // systemd's own limit is five starts in ten seconds
	for range kills {
		before := a.Property(daemonUnit, "MainPID")
		a.Systemctl("kill", "--kill-whom=main", "--signal=SIGKILL", daemonUnit)
		l.Eventually("another daemon holds", func() bool {
			return a.Property(daemonUnit, "MainPID") != before && a.Holds(Front)
		})
	}
	if restarts := a.Property(daemonUnit, "NRestarts"); restarts != strconv.Itoa(kills) {
		t.Errorf("systemd restarted it %s times, want %d", restarts, kills)
	}
	l.Answers(A)
	l.OnlyAnswered(A, steady)
}

// A daemon that is stopped resigns: the other has the address before stop returns, or
// so soon after that no timeout was waited for.
func TestStop(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{})
	a, b := l.Machine(A), l.Machine(B)
	l.Answers(A)
	a.Systemctl("stop", daemonUnit)
	l.Answers(B)
	if said := b.Journal(daemonUnit); !strings.Contains(said, "taking from hist-a (peer-resigned)") || strings.Contains(said, "(peer-silent)") {
		t.Error("hist-b did not take because the other resigned")
	}
	if result := a.Property(daemonUnit, "Result"); result != "success" {
		t.Errorf("stopping ended with %s", result)
	}
	a.Systemctl("start", daemonUnit)
	l.Answers(A)
	l.OneAnswered(l.Began)
}

// A reload takes the new configuration over and moves nothing; one that is wrong is
// refused, and the old goes on. A restart of the daemon's own moves nothing either.
func TestReload(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{})
	a := l.Machine(A)
	l.Answers(A)
	steady := time.Now()
	before := digest(t, a)
	a.Write("/etc/vipd/vipd.toml", strings.Replace(Config, "priority  = 200", "priority  = 201", 1))
	a.Systemctl("reload", daemonUnit)
	l.Eventually("the new configuration is in force", func() bool { return digest(t, a) != before })
	after := digest(t, a)
	a.Write("/etc/vipd/vipd.toml", "nonsense")
	a.Systemctl("reload", daemonUnit)
	l.Eventually("the journal names the mistake", func() bool { return strings.Contains(a.Journal(daemonUnit), "vipd.toml:1") })
	if now := digest(t, a); now != after {
		t.Errorf("the configuration in force is %s, was %s", now, after)
	}
	a.Write("/etc/vipd/vipd.toml", Config)
	a.Systemctl("reload", daemonUnit)
	l.Eventually("the old configuration is in force", func() bool { return digest(t, a) == before })
	pid := a.Property(daemonUnit, "MainPID")
	a.Run("vipd", "restart")
	if now := a.Property(daemonUnit, "MainPID"); now != pid {
		t.Errorf("vipd restart made process %s of %s", now, pid)
	}
	l.Answers(A)
	l.OnlyAnswered(A, steady)
}

func digest(t *testing.T, m *Machine) string {
	t.Helper()
	s, err := m.Status()
	if err != nil {
		t.Fatal(err)
	}
	return s.ConfigDigest
}

// A cable that is pulled moves the address, and back; the switch's port is the lab's.
func TestCable(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{})
	l.Answers(A)
	l.Machine(A).Service.Down()
	l.Answers(B)
	l.Machine(A).Service.Up()
	l.Answers(A)
	l.OneAnswered(l.Began)
}
