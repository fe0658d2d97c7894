package unit

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

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
		o.await("connection", func() bool { // of the service watch: two
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
