package watchdog

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
)

// watched is a place with a watchdog, a page and a group.
func watched(t *testing.T) (p *place, page *Page, group string) {
	t.Helper()
	p = newPlace(t)
	page, group = p.page(), p.group("historian")
	p.ensure()
	return p, page, group
}

// TestSilentDaemon stops a daemon that renews a group's guard, by death and by
// freezing it, and looks when the group dies. A frozen one learns it when it thaws.
func TestSilentDaemon(t *testing.T) {
	for _, c := range []struct {
		name  string
		with  syscall.Signal
		thaws bool
	}{{"killed", syscall.SIGKILL, false}, {"stopped", syscall.SIGSTOP, true}} {
		t.Run(c.name, func(t *testing.T) {
			p, page, group := watched(t)
			service := p.start(group, "service")
			daemon := p.start("", "daemon", p.runDir, group)
			await(t, "the guard", func() bool { r, _ := page.file.read(0); return r.state.status() == Armed })
			time.Sleep(daemonLease + Grace + Grace/4) // the first lease would have run out
			if !service.alive() {
				t.Fatal("a group whose guard is renewed was killed")
			}
			daemon.Process.Signal(c.with)
			var expiry clock.Instant
			await(t, "silence", func() bool {
				before := expiry
				expiry = page.file.expiry(0)
				return expiry == before && expiry < boot.Now()
			})
			await(t, "the end of the group", func() bool { return !service.alive() })
			late := service.at.Sub(expiry)
			t.Logf("killed %v after the expiry", late)
			if late < Grace || late > Grace+4*time.Second {
				t.Errorf("want %v to %v", Grace, Grace+4*time.Second)
			}
			await(t, "the mark", func() bool { r, _ := page.file.read(0); return r.state.status() == Killed })
			if c.thaws {
				daemon.Process.Signal(syscall.SIGCONT)
				<-daemon.ended
				if code := daemon.ProcessState.ExitCode(); code != exitKilled {
					t.Errorf("the daemon was not told: exit code %d", code)
				}
			}
		})
	}
}

// TestWhatIsLeftAlone has a watchdog meet groups that it must not kill, beside one that
// it must, and which shows that it has come that far.
func TestWhatIsLeftAlone(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	soon := func() clock.Instant { return boot.Now().Add(50 * time.Millisecond) }
	elsewhere := newPlace(t).group("foreign")
	remade := p.group("remade")
	groups := map[string]struct {
		path string
		want Status
	}{
		"released":    {p.group("released"), free},
		"not below":   {elsewhere, Refused},
		"the root":    {p.root, Refused},
		"made anew":   {remade, Refused},
		"far ahead":   {p.group("far"), Refused},
		"half done":   {p.group("half"), free},
		"with keeper": {p.group("around"), Refused},
	}
	for name, g := range groups {
		if name == "half done" {
			continue
		}
		if err := page.Guard(g.path, soon()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	page.Release(groups["released"].path)
	page.file.field(page.rows[groups["far ahead"].path], rowExpiry).Store(uint64(boot.Now().Add(MaxAhead + time.Minute)))
	half := len(groups) // as if the writer stood still before its last store
	r, err := identify(groups["half done"].path)
	if err != nil {
		t.Fatal(err)
	}
	page.file.write(half, r)
	remake(t, remade)
	var alive []*process
	for name, g := range groups {
		if name != "with keeper" {
			alive = append(alive, p.start(g.path, "service"))
		}
	}
	sure := p.group("sure")
	if err := page.Guard(sure, soon().Add(100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	service := p.start(sure, "service")
	o := p.options()
	o.Cgroup = groups["with keeper"].path
	k, err := Ensure(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer kill(k.PID)
	await(t, "the end of the one to kill", func() bool { return !service.alive() })
	time.Sleep(busyEvery)
	for name, g := range groups {
		if got := status(page, g.path); got != g.want {
			t.Errorf("%s: %v, want %v", name, got, g.want)
		}
		err := page.Renew(g.path, soon())
		if g.want == Refused && (err == nil || !strings.Contains(err.Error(), "refused by the keeper")) {
			t.Errorf("%s: renewed: %v", name, err)
		}
	}
	for _, c := range alive {
		if !c.alive() {
			t.Errorf("killed one that is to live: %v", c.Args)
		}
	}
	if syscall.Kill(k.PID, 0) != nil {
		t.Error("the keeper killed itself")
	}
}

// remake makes a control group anew, which gives it another inode.
func remake(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
}

// A process that enters a group which was killed is killed too, until the daemon releases
// it: a daemon that thaws may be in the middle of a start.
func TestKilledStaysDead(t *testing.T) {
	p, page, group := watched(t)
	if err := page.Guard(group, boot.Now()); err != nil {
		t.Fatal(err)
	}
	await(t, "the kill", func() bool { return status(page, group) == Killed })
	join := func() *process {
		s := p.start("", "service")
		if err := cgroup.Group(group).Enter(s.Process.Pid); err != nil {
			t.Fatal(err)
		}
		return s
	}
	late := join()
	await(t, "the end of one that came late", func() bool { return !late.alive() })
	page.Release(group)
	time.Sleep(2 * busyEvery) // the watchdog may be in the middle of a look
	next := join()
	time.Sleep(2 * idleEvery)
	if !next.alive() {
		t.Error("killed one in a group that was released")
	}
	if err := page.Guard(group, boot.Now().Add(time.Minute)); err != nil || status(page, group) != Armed {
		t.Errorf("guarded again: %v, %v", err, status(page, group))
	}
	time.Sleep(2 * idleEvery)
	if !next.alive() {
		t.Error("killed one in a group that is guarded again")
	}
}
