package unit

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

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
