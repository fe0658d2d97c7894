package unit

import (
	"log/slog"
	"strings"
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
