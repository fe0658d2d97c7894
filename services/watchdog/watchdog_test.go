package watchdog

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

// looker is a watchdog that the test makes look, at instants of its own.
func (p *place) looker() *watchdog {
	p.t.Helper()
	k, err := newWatchdog(Options{RunDir: p.runDir, Root: p.root, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(k.close)
	return k
}

func TestWhenItLooksAgain(t *testing.T) {
	p := newPlace(t)
	page, k := p.page(), p.looker()
	group := p.group("historian")
	now := boot.Now()
	if next := k.scan(now); next != now.Add(idleEvery) {
		t.Errorf("idle: %v", next.Sub(now))
	}
	until := now.Add(10 * time.Second)
	if err := page.Guard(group, until); err != nil {
		t.Fatal(err)
	}
	if next := k.scan(now); next != now.Add(busyEvery) {
		t.Errorf("guarding: %v", next.Sub(now))
	}
	due := until.Add(Grace)
	if next := k.scan(due - 1000); next != due {
		t.Errorf("1 us before the end: %v", due.Sub(next))
	}
	if k.scan(due - 1); status(page, group) != Armed {
		t.Error("killed too early")
	}
	if k.scan(due); status(page, group) != Killed {
		t.Errorf("not killed when due: %v", status(page, group))
	}
	if page.Looked() != due {
		t.Error("the page does not say when it was looked at")
	}
}

// It ends a minute after the last guard, and when its page has gone.
func TestWhenItEnds(t *testing.T) {
	p := newPlace(t)
	page, k := p.page(), p.looker()
	group := p.group("historian")
	now := boot.Now()
	look := func(at clock.Instant) string {
		k.scan(at)
		return k.done(at)
	}
	if why := look(now.Add(linger / 2)); why != "" {
		t.Errorf("ended for %s", why)
	}
	if err := page.Guard(group, now.Add(linger)); err != nil {
		t.Fatal(err)
	}
	if why := look(now.Add(linger)); why != "" {
		t.Errorf("ended for %s while it guards", why)
	}
	page.Release(group)
	if why := look(now.Add(2*linger - 1)); why != "" {
		t.Errorf("ended for %s too early", why)
	}
	if why := look(now.Add(2 * linger)); why != "nothing to guard" {
		t.Errorf("not ended: %q", why)
	}
	if err := os.Rename(filepath.Join(p.runDir, pageName), filepath.Join(p.runDir, "old")); err != nil {
		t.Fatal(err)
	}
	p.page() // the next daemon's, of the same name
	if why := look(now); why != "the page is gone" {
		t.Errorf("not ended: %q", why)
	}
}

// A page that no daemon of this boot has laid out guards no group.
func TestPageOfAnotherBootGuardsNothing(t *testing.T) {
	p := newPlace(t)
	page, k := p.page(), p.looker()
	group := p.group("historian")
	if err := page.Guard(group, boot.Now()); err != nil {
		t.Fatal(err)
	}
	page.file.Bytes()[atBoot] ^= 1
	k.scan(boot.Now().Add(time.Minute))
	if status(page, group) != Armed {
		t.Error("acted on the page of another boot")
	}
}

// Without a descriptor to spare, a guard is made ready later; it is not refused.
func TestNoDescriptors(t *testing.T) {
	p := newPlace(t)
	page, k := p.page(), p.looker()
	group := p.group("historian")
	until := boot.Now().Add(time.Minute)
	if err := page.Guard(group, until); err != nil {
		t.Fatal(err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max})
	k.scan(until.Add(Grace))
	between := status(page, group)
	unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	if between != Armed {
		t.Errorf("without descriptors: %v", between)
	}
	k.scan(until)
	unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: was.Max})
	k.scan(until.Add(Grace))
	after := status(page, group)
	unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	if after != Killed {
		t.Errorf("ready, but for the kill it needs descriptors: %v", after)
	}
}

// A row that becomes another group's between two looks is that group's.
func TestRowOfAnotherGroup(t *testing.T) {
	p := newPlace(t)
	page, k := p.page(), p.looker()
	first, second := p.group("first"), p.group("second")
	spared := p.start(first, "service")
	struck := p.start(second, "service")
	until := boot.Now().Add(time.Minute)
	if err := page.Guard(first, until); err != nil {
		t.Fatal(err)
	}
	k.scan(until)
	page.Release(first)
	if err := page.Guard(second, until); err != nil || page.rows[second] != 0 {
		t.Fatalf("row %d: %v", page.rows[second], err)
	}
	k.scan(until.Add(Grace))
	await(t, "the end of the second", func() bool { return !struck.alive() })
	if !spared.alive() {
		t.Error("the row's former group was killed")
	}
}

// A watchdog that comes after a kill takes a group that is gone for dead, and a guard of a
// group that is gone for one it can't keep.
func TestGroupIsGone(t *testing.T) {
	p := newPlace(t)
	page, k := p.page(), p.looker()
	group := p.group("historian")
	until := boot.Now().Add(time.Minute)
	if err := page.Guard(group, until); err != nil {
		t.Fatal(err)
	}
	k.scan(until)
	if err := os.Remove(group); err != nil {
		t.Fatal(err)
	}
	if k.scan(until.Add(Grace)); status(page, group) != Killed {
		t.Errorf("gone since it was found: %v", status(page, group))
	}
	row := page.rows[group]
	at := page.file.state(row)
	at.Store(uint64(state(at.Load()).become(Killing)))
	next := p.looker()
	if next.scan(until.Add(Grace)); status(page, group) != Killed {
		t.Errorf("gone before the next keeper came: %v", status(page, group))
	}
	at.Store(uint64(state(at.Load()).armed()))
	if next.scan(until); status(page, group) != Refused {
		t.Errorf("guarded, and gone: %v", status(page, group))
	}
}

// For any content of a row, no descriptor is kept for a group that was not found,
// and the daemon reads the page without harm.
func FuzzRow(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 1, 0, 0, 0, 0, 0, 0})
	f.Add([]byte("\x01\x01\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff/x"))
	f.Fuzz(func(t *testing.T, octets []byte) {
		p := newPlace(t)
		page, k := p.page(), p.looker()
		copy(page.file.Bytes()[headSize:headSize+rowSize], octets)
		k.scan(boot.Now())
		k.scan(boot.Now().Add(time.Minute))
		if k.targets[0].target != nil {
			t.Error("found a group where none is")
		}
		p.page().Guards()
	})
}
