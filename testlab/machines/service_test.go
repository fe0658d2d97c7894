package machines

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/machines/image"
)

// The services of a pair start, answer and stop by systemctl, and the watch of the
// runners sees each from outside.
func TestServices(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Names: []string{A}, Config: NoDaemon})
	a := l.Machine(A)
	for _, c := range []struct{ unit, ask, answer string }{
		{image.Mosquitto, "mosquitto_pub -h 127.0.0.1 -r -t t -m here; mosquitto_sub -h 127.0.0.1 -t t -C 1 -W 5", "here"},
		{image.Redis, "redis-cli ping", "PONG"},
		{image.Postgres, `setpriv --reuid=postgres --clear-groups psql -Atc "select 'here'"`, "here"},
	} {
		w := l.Runners(c.unit)
		began := time.Now()
		a.Systemctl("start", c.unit)
		l.Eventually(c.unit+" answers", func() bool {
			out, _ := a.Try("sh", "-c", c.ask)
			return strings.TrimSpace(out) == c.answer
		})
		if now := w.Now(); !slices.Equal(now, []string{A}) {
			t.Errorf("%s runs on %v", c.unit, now)
		}
		a.Freeze()
		if now := w.Now(); now != nil {
			t.Errorf("%s runs on %v, which is frozen", c.unit, now)
		}
		a.Thaw()
		a.Systemctl("stop", c.unit)
		l.Eventually(c.unit+" is gone", func() bool { return w.Now() == nil })
		l.Eventually("the watch saw it", func() bool {
			order := w.Order(began)
			return slices.Contains(order, A) && order[len(order)-1] == ""
		})
		w.Close()
	}
}

// A watch says who ran it together, and who after whom.
func TestRunners(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Config: NoDaemon, Files: map[string]string{
		unitFolder + "/idle.service": "[Service]\nExecStart=/usr/bin/sleep infinity\n",
	}})
	a, b := l.Machine(A), l.Machine(B)
	w := l.Runners("idle.service")
	until := func(names ...string) {
		t.Helper()
		l.Eventually(strings.Join(names, "+")+" run it", func() bool {
			order := w.Order(l.Began)
			return len(order) > 0 && order[len(order)-1] == strings.Join(names, "+")
		})
	}
	until()
	a.Systemctl("start", "idle")
	until(A)
	if n := w.Together(l.Began); n != 0 {
		t.Errorf("%d times together with nobody", n)
	}
	b.Systemctl("start", "idle")
	until(A, B)
	a.Kill()
	until(B)
	b.Systemctl("stop", "idle")
	until()
	if n, order := w.Together(l.Began), w.Order(l.Began); n != 1 || !slices.Equal(order, []string{"", A, A + "+" + B, B, ""}) {
		t.Errorf("%d times together: %q", n, order)
	}
}

// A process in a control group of vipd's own is seen as one of its service group.
func TestRunnersOfGroups(t *testing.T) {
	t.Parallel()
	l := Start(t, Options{Names: []string{A}, Config: NoDaemon})
	group, unit := l.Runners("scan"), l.Runners("scan/scand")
	l.Machine(A).Run("systemd-run", "--quiet", "sh", "-c",
		"own=/sys/fs/cgroup/vipd/scan/scand; mkdir -p $own && echo 0 >$own/cgroup.procs && exec sleep infinity")
	for _, w := range []*Runners{group, unit} {
		l.Eventually("it is seen", func() bool { return slices.Equal(w.Now(), []string{A}) })
	}
	l.Machine(A).Run("sh", "-c", "echo 1 >/sys/fs/cgroup/vipd/scan/cgroup.kill")
	for _, w := range []*Runners{group, unit} {
		l.Eventually("it is gone", func() bool { return w.Now() == nil })
	}
}

// Control groups of both kinds of units are found by their names.
func TestUnitPlaces(t *testing.T) {
	for unit, want := range map[string][]string{
		"redis-server.service":       {"system.slice/redis-server.service"},
		"postgresql@15-main.service": {"system.slice/postgresql@15-main.service", "system.slice/system-postgresql.slice/postgresql@15-main.service"},
		"a-b@c.service":              {"system.slice/a-b@c.service", `system.slice/system-a\x2db.slice/a-b@c.service`},
		"historian":                  {"vipd/historian"},
		"historian/scand":            {"vipd/historian/scand"},
	} {
		if got := unitPlaces(unit); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", unit, got, want)
		}
	}
}
