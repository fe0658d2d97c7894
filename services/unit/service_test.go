package unit

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const historian = "historian.service"

// office is where a test's systemd services are.
type office struct {
	bench
	*fakeSystemd
	unit      *fakeUnit
	exclusive bool
	log       strings.Builder
}

func openOffice(t *testing.T) *office {
	f, u := startSystemd(t, historian)
	return &office{bench: bench{t: t, dir: t.TempDir(), died: make(chan string, 100)}, fakeSystemd: f, unit: u}
}

// service makes the unit; its stop timeout is long.
func (o *office) service() Unit { return o.impatient(patience) }

func (o *office) impatient(stopTimeout time.Duration) Unit {
	o.bench.t.Helper()
	u, err := New(historian, o.options(stopTimeout))
	if err != nil {
		o.bench.t.Fatal(err)
	}
	o.bench.t.Cleanup(func() { u.Close() })
	return u
}

// options are where everything of this office is.
func (o *office) options(stopTimeout time.Duration) Options {
	return Options{
		Group: "g", Dir: o.bench.dir, StopTimeout: stopTimeout,
		Bus: "unix:path=" + o.path(), DropIns: o.dropIns(), Cgroup: o.fakeSystemd.dir, Exclusive: o.exclusive, Log: slog.New(slog.NewTextHandler(&o.log, nil)),
		Died: func(text string) { o.died <- text },
	}
}

// is fails the test unless systemd has the unit in that state.
func (o *office) is(active string) {
	o.bench.t.Helper()
	if now, _ := o.state(o.unit); now.active != active || active != "active" && len(now.residents) > 0 {
		o.bench.t.Errorf("it is %s, with %d processes, want %s", now.active, len(now.residents), active)
	}
}

// begin starts the unit, and returns when nobody has asked for a while how it is:
// from here on it takes a signal to be looked at.
func (o *office) begin(u Unit) {
	o.bench.t.Helper()
	const while = 20 * time.Millisecond
	o.start(u)
	looks := func() int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.looks
	}
	o.await("quiet", func() bool {
		before := looks()
		time.Sleep(while)
		return looks() == before
	})
}

func TestServiceStartStop(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	if running, err := u.Adopt(t.Context()); err != nil || running {
		t.Fatalf("adopt: %v, %v", running, err)
	}
	for _, c := range []struct {
		env  Env
		want string
	}{
		{Env{Epoch: 257, Token: "group:g", Node: "hist-a", Role: "active"}, "VIPD_EPOCH=\"257\"\nVIPD_TOKEN=\"group:g\"\nVIPD_NODE=\"hist-a\"\nVIPD_ROLE=\"active\"\n"},
		{Env{Epoch: 513, Token: "group:g", Node: `a"$b\`, Role: "standby"}, "VIPD_EPOCH=\"513\"\nVIPD_TOKEN=\"group:g\"\nVIPD_NODE=\"a\\\"\\$b\\\\\"\nVIPD_ROLE=\"standby\"\n"},
	} {
		if err := u.Start(t.Context(), c.env); err != nil {
			t.Fatal(err)
		}
		o.is("active")
		if now, _ := o.state(o.unit); now.environment != c.want {
			t.Errorf("environment %q, want %q", now.environment, c.want)
		}
		if err := u.Start(t.Context(), c.env); err == nil {
			t.Error("started twice")
		}
		o.stop(u)
		o.is("inactive")
	}
	if _, reloads := o.state(o.unit); reloads != 1 {
		t.Errorf("%d daemon-reloads, want 1", reloads)
	}
	o.stop(u)
	o.alive()
}

// A drop-in is on disk, but systemd has not read it.
func TestServiceDropInUnread(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	if _, err := u.(*service).dropIn.install(); err != nil {
		t.Fatal(err)
	}
	o.start(u)
	if now, reloads := o.state(o.unit); reloads != 1 || !strings.Contains(now.environment, "257") {
		t.Errorf("%d daemon-reloads, environment %q", reloads, now.environment)
	}
}

func TestServiceStartFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*office)
		want  []string
	}{
		{"exits", func(o *office) { o.unit.fails = true }, []string{"systemd's job: failed", "exit-code", "exit status 3"}},
		{"oneshot", func(o *office) { o.unit.oneshot = true }, []string{"at once", "RemainAfterExit"}},
		{"masked", func(o *office) { o.unit.load, o.unit.fails = "masked", true }, []string{"systemctl unmask historian.service"}},
		{"no bus", func(o *office) { o.close() }, []string{"connect to systemd"}},
		{"no room", func(o *office) { os.WriteFile(o.dropIns(), nil, 0o644) }, []string{"drop-in"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := openOffice(t)
			u := o.service()
			c.spoil(o)
			err := u.Start(t.Context(), Env{})
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
			}
			o.alive()
		})
	}
}

// systemd refuses the sixth start within ten seconds, if it isn't told to forget.
func TestServiceStartLimit(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	for range 2 * startLimit {
		o.start(u)
		o.crash(o.unit, int32(syscall.SIGSEGV))
		o.death()
	}
	o.alive()
}

func TestServiceDeath(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	o.begin(u)
	o.crash(o.unit, int32(syscall.SIGSEGV))
	if got, want := o.death(), "failed (signal): killed by SIGSEGV"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	o.begin(u)
	o.change(o.unit, func() { o.unit.set("inactive", "dead", "success", codeExited, 0) })
	if got, want := o.death(), "inactive, dead: exit status 0"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	o.begin(u)
	o.change(o.unit, func() { o.unit.set("inactive", "dead", "success", 0, 0) })
	if got := o.death(); !strings.Contains(got, "another hand") {
		t.Errorf("told %q", got)
	}
	o.begin(u)
	o.change(o.unit, func() { o.unit.active = "reloading" })
	o.change(o.unit, o.unit.up) // quicker than anybody looks
	if got := o.death(); !strings.Contains(got, "started again") {
		t.Errorf("told %q", got)
	}
	o.stop(u)
	o.is("inactive")
	o.alive()
}

// The configuration has another name of the unit: systemd tells by its own.
func TestServiceAlias(t *testing.T) {
	o := openOffice(t)
	o.unit.id = "postgresql.service"
	u := o.service()
	o.begin(u)
	o.crash(o.unit, int32(syscall.SIGKILL))
	o.death()
}

func TestServiceStopStubborn(t *testing.T) {
	o := openOffice(t)
	o.unit.stubborn = true
	u := o.impatient(50 * time.Millisecond)
	o.start(u)
	o.stop(u)
	if now, _ := o.state(o.unit); now.status != int32(syscall.SIGKILL) {
		t.Errorf("not killed: %+v", now)
	}
	o.alive()
}

func TestServiceStopGivenUp(t *testing.T) {
	o := openOffice(t)
	o.unit.stubborn = true
	u := o.service()
	o.start(u)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := u.Stop(ctx); err == nil {
		t.Error("stopped")
	}
	if now, _ := o.state(o.unit); now.active != "deactivating" {
		t.Errorf("it is %s", now.active)
	}
}

// KillMode=process: systemd calls the unit inactive, and a process is left.
func TestServiceStopLeaves(t *testing.T) {
	o := openOffice(t)
	o.unit.leaves = true
	u := o.service()
	o.start(u)
	o.stop(u)
	o.is("failed")
	o.start(u)
	o.unit.hard = true
	want := "still there 1s after SIGKILL: pid 4712 (postgres: writer)"
	if err := u.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	o.unit.hard = false
	o.stop(u)
	o.is("inactive")
}

// The bus goes away before the answer, or before the job's result.
func TestServiceBusGoes(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	o.change(o.unit, func() { o.unit.mute = true })
	o.start(u)
	o.is("active")
	o.change(o.unit, func() { o.unit.mute = true })
	o.stop(u)
	o.is("inactive")
	o.start(u)
	o.change(o.unit, func() { o.unit.silent = true })
	stopped := make(chan error)
	go func() { stopped <- u.Stop(t.Context()) }()
	o.await("job", func() bool { now, _ := o.state(o.unit); return !now.silent })
	o.close()
	o.open()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	o.is("inactive")
	o.alive()
}

func TestServiceBusGone(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	o.start(u)
	for range 3 {
		o.close()
		o.open()
		o.await("connection", func() bool { // of the vigil: two
			o.mu.Lock()
			defer o.mu.Unlock()
			return len(o.conns) == 2
		})
	}
	o.alive()
	o.close()
	if err := u.Stop(t.Context()); err == nil {
		t.Error("stopped without a bus")
	}
	o.open()
	if running, err := u.Adopt(t.Context()); err != nil || !running {
		t.Fatalf("adopt: %v, %v", running, err)
	}
	o.close()
	o.crash(o.unit, int32(syscall.SIGKILL))
	o.alive()
	o.open()
	if got := o.death(); !strings.Contains(got, "SIGKILL") {
		t.Errorf("told %q", got)
	}
}

func TestServiceAdopt(t *testing.T) {
	o := openOffice(t)
	first := o.service()
	o.start(first)
	first.Close()
	o.is("active")
	u := o.service()
	for range 2 {
		if running, err := u.Adopt(t.Context()); err != nil || !running {
			t.Fatalf("adopt: %v, %v", running, err)
		}
	}
	o.crash(o.unit, int32(syscall.SIGKILL))
	o.death()
	for _, active := range []string{"inactive", "activating", "failed"} { // with what an earlier run left
		o.change(o.unit, func() { o.unit.up(); o.unit.active = active })
		if running, err := u.Adopt(t.Context()); err != nil || running {
			t.Fatalf("%s: adopt: %v, %v", active, running, err)
		}
		o.is("inactive")
	}
	o.change(o.unit, func() { o.unit.up(); o.unit.active, o.unit.residents = "activating", nil }) // still nothing to see
	if running, err := u.Adopt(t.Context()); err != nil || running {
		t.Fatalf("early: adopt: %v, %v", running, err)
	}
	o.is("inactive")
	o.change(o.unit, o.unit.up) // by hand
	before, _ := o.state(o.unit)
	o.start(u)
	if now, _ := o.state(o.unit); now.invocation == before.invocation {
		t.Error("what was started by hand runs on, without our environment")
	}
	o.alive()
}

func TestServiceCheck(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	for _, c := range []struct{ load, file, want string }{
		{"loaded", "disabled", ""},
		{"loaded", "static", ""},
		{"loaded", "enabled", "systemctl disable historian.service"},
		{"loaded", "enabled-runtime", "systemctl disable historian.service"},
		{"masked", "masked", "systemctl unmask historian.service"},
		{"not-found", "", "systemd finds no historian.service"},
		{"error", "disabled", "Invalid argument"},
	} {
		o.change(o.unit, func() { o.unit.load, o.unit.file = c.load, c.file })
		err := u.(Checker).Check(t.Context())
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, %s: %v, want %q", c.load, c.file, err, c.want)
		}
	}
	o.change(o.unit, func() { o.unit.load, o.unit.umbrella = "loaded", true })
	for _, c := range []struct{ parts, want string }{
		{"", "systemctl list-unit-files 'historian*'"},
		{"historian@a.service historian@b.service", "name that: historian@a.service, historian@b.service"},
	} {
		o.change(o.unit, func() { o.unit.parts = strings.Fields(c.parts) })
		if err := u.(Checker).Check(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("an umbrella of %q: %v, want %q", c.parts, err, c.want)
		}
	}
	o.close()
	if err := u.(Checker).Check(t.Context()); err == nil {
		t.Error("no objection without a bus")
	}
}

// What one node alone runs is below the slice of its group, whose control group is
// there before its first process; systemd does not start it again. Else it is where
// systemd has it.
func TestServiceSlice(t *testing.T) {
	for _, exclusive := range []bool{true, false} {
		o := openOffice(t)
		o.exclusive = exclusive
		u := o.service()
		folder, err := u.(Container).Folder(t.Context())
		want, restart, inside := "", "", "/system.slice/"+historian
		if exclusive {
			want, restart, inside = filepath.Join(o.fakeSystemd.dir, "vipd.slice/vipd-g.slice"), "no", "/vipd-g.slice/"+historian
		}
		if err != nil || folder != want {
			t.Errorf("its folder is %q (%v), want %q", folder, err, want)
		}
		o.start(u)
		if now, _ := o.state(o.unit); now.controlGroup != inside || now.setting("Restart=") != restart {
			t.Errorf("it runs in %s with Restart=%s, want %s and %q", now.controlGroup, now.setting("Restart="), inside, restart)
		}
	}
}

// What ran before it had to be in the slice is adopted where it is, and told.
func TestServiceAdoptOutside(t *testing.T) {
	o := openOffice(t)
	first := o.service()
	o.start(first)
	first.Close()
	const told = "outside of its group's slice"
	for _, again := range []struct{ outside bool }{{true}, {false}} {
		o.log.Reset()
		o.exclusive = true
		u := o.service()
		if running, err := u.Adopt(t.Context()); err != nil || !running {
			t.Fatalf("adopt: %v, %v", running, err)
		}
		if said := strings.Contains(o.log.String(), told); said != again.outside {
			t.Errorf("outside %v, and the log has %q", again.outside, o.log.String())
		}
		o.stop(u)
		o.start(u)
		u.Close()
	}
}

// A service that an earlier daemon started and the configuration has no more is
// stopped, and is as it was before us. One that is configured, or that was started by
// hand after our stop, runs on.
func TestServiceSweep(t *testing.T) {
	for _, c := range []struct {
		name       string
		configured bool
		byHand     bool
		stopped    []string
		active     string
	}{
		{"gone from the configuration", false, false, []string{historian}, "inactive"},
		{"configured", true, false, nil, "active"},
		{"started by hand", false, true, nil, "active"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := openOffice(t)
			o.exclusive = true
			u := o.service()
			o.start(u)
			if c.byHand {
				o.stop(u)
				o.change(o.unit, o.unit.up)
			}
			u.Close()
			var units []Unit
			if c.configured {
				units = append(units, o.service())
			}
			stopped, err := Sweep(t.Context(), units, o.options(patience))
			if err != nil || !slices.Equal(stopped, c.stopped) {
				t.Errorf("stopped %v, %v, want %v", stopped, err, c.stopped)
			}
			o.is(c.active)
			if c.stopped == nil {
				return
			}
			o.change(o.unit, o.unit.up)
			if now, _ := o.state(o.unit); now.setting("Restart=") != "" || len(now.dropIns) > 0 {
				t.Errorf("it still has %v", now.dropIns)
			}
			if again, err := Sweep(t.Context(), nil, o.options(patience)); err != nil || again != nil {
				t.Errorf("stopped again: %v, %v", again, err)
			}
		})
	}
	if name := unescape("hist_2da_5f1_2eservice"); name != "hist-a_1.service" {
		t.Errorf("unescaped to %s", name)
	}
}

// A name with a dash is that of one slice, not of one in another.
func TestSliceOf(t *testing.T) {
	for group, want := range map[string]string{"historian": "vipd-historian.slice", "hist-a.1": `vipd-hist\x2da.1.slice`} {
		if got := sliceOf(group); got != want {
			t.Errorf("%s: %s, want %s", group, got, want)
		}
	}
}

func TestServiceCycles(t *testing.T) {
	o := openOffice(t)
	u := o.service()
	cycle := func() {
		o.start(u)
		o.stop(u)
	}
	cycle()
	goroutines, files := runtime.NumGoroutine(), o.files()
	for range 50 {
		cycle()
	}
	o.await("as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	if now := o.files(); now != files {
		t.Errorf("%d descriptors, were %d", now, files)
	}
	left, _ := filepath.Glob(filepath.Join(o.bench.dir, "g", ".*"))
	if left != nil {
		t.Errorf("left: %v", left)
	}
	o.alive()
}
