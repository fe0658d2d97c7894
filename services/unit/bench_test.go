package unit

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"vipd/host/cgroup"
	"vipd/testlab/rig"
)

// patience bounds every wait of a test; none should come near.
const patience = 10 * time.Second

// bench is where a test's units live.
type bench struct {
	t           *testing.T
	dir, cgroup string
	died        chan string
}

// setUp makes a control group of the test's own, which is cleared in the end.
func setUp(t *testing.T) *bench {
	t.Helper()
	root, err := cgroup.Root()
	var folder string
	if err == nil {
		folder, err = os.MkdirTemp(root, "vipd-test-unit-")
	}
	if err != nil {
		if _, user := rig.Outside(); os.Geteuid() == 0 && !user {
			rig.Missing(t, rig.Netns, err)
		}
		t.Skip("needs a writable cgroup2: ", err)
	}
	b := &bench{t: t, dir: t.TempDir(), cgroup: folder, died: make(chan string, 100)}
	t.Cleanup(func() {
		if err := clearGroup(context.Background(), cgroup.Group(folder)); err != nil {
			t.Errorf("not cleared: %v", err)
		}
	})
	return b
}

// options of a unit in the bench.
func (b *bench) options() Options {
	return Options{
		Group: "g", Dir: b.dir, Cgroup: b.cgroup, StopTimeout: patience,
		Died: func(text string) { b.died <- text },
	}
}

// unit makes a unit that runs this program as the part.
func (b *bench) unit(part string) *process { return b.unitWith(part, b.options()) }

func (b *bench) unitWith(part string, o Options) *process {
	b.t.Helper()
	u, err := New(b.text(part), o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { u.Close() })
	return u.(*process)
}

func (b *bench) text(part string) string {
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	return fmt.Sprintf("exec:%q %s", self, part)
}

func (b *bench) start(u Unit) {
	b.t.Helper()
	if err := u.Start(b.t.Context(), Env{Epoch: 257, Token: "group:g", Node: "hist-a", Role: "active"}); err != nil {
		b.t.Fatal(err)
	}
}

// ready starts a unit that runs this program as the part, and returns when it says so.
func (b *bench) ready(part string, stopTimeout time.Duration) *process {
	b.t.Helper()
	o := b.options()
	o.StopTimeout = stopTimeout
	u := b.unitWith(part, o)
	b.start(u)
	b.says(u, "ready")
	return u
}

func (b *bench) stop(u Unit) {
	b.t.Helper()
	if err := u.Stop(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// says waits until the unit's output has the words.
func (b *bench) says(u *process, words string) {
	b.t.Helper()
	b.await("output "+words, func() bool { return strings.Contains(b.read(string(u.out)), words) })
}

func (b *bench) read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

func (b *bench) await(what string, done func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("no %s within %v", what, patience)
		}
	}
}

// death waits for what Died is told.
func (b *bench) death() string {
	b.t.Helper()
	select {
	case text := <-b.died:
		return text
	case <-time.After(patience):
		b.t.Fatal("no death was told")
		return ""
	}
}

// alive fails the test if a death was told.
func (b *bench) alive() {
	b.t.Helper()
	select {
	case text := <-b.died:
		b.t.Errorf("a death was told: %s", text)
	default:
	}
}

// empty fails the test if anything is left of the unit.
func (b *bench) empty(u *process) {
	b.t.Helper()
	if left := u.group.Processes(); left != nil {
		b.t.Errorf("left: %s", survivors(u.group))
	}
	for _, path := range []string{string(u.group), u.files + ".state"} {
		if _, err := os.Stat(path); err == nil {
			b.t.Errorf("%s is left", path)
		}
	}
}

// files counts this process's descriptors.
func (b *bench) files() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		b.t.Fatal(err)
	}
	return len(list)
}
