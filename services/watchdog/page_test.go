package watchdog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
)

func TestGuardRefused(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	group := p.group("historian")
	later := boot.Now().Add(time.Minute)
	if err := os.Symlink(group, filepath.Join(p.runDir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path  string
		until clock.Instant
		want  string
	}{
		{group + "/../historian", later, "without detours"},
		{"historian", later, "absolute"},
		{"/" + strings.Repeat("x", pathLimit), later, "at most 472 octets"},
		{group + "x", later, "no such file"},
		{group + "/cgroup.procs", later, "not a directory"},
		{filepath.Join(p.runDir, "link"), later, "not a directory"},
		{p.runDir, later, "not in a cgroup2 file system"},
		{group, later.Add(MaxAhead), "at most 1h0m0s"},
		{group, clock.Never, "at most 1h0m0s"},
		{group, 0, "not over already"},
	} {
		if err := page.Guard(c.path, c.until); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
	}
	if err := page.Renew(group, later); err == nil || !strings.Contains(err.Error(), "not guarded") {
		t.Errorf("renewed what is not guarded: %v", err)
	}
	if err := page.Guard(group, later); err != nil {
		t.Fatal(err)
	}
	if err := page.Renew(group, boot.Now().Add(MaxAhead+time.Minute)); err == nil {
		t.Error("renewed for more than an hour")
	}
	if err := page.Renew(group, 0); err != nil {
		t.Errorf("ended: %v", err)
	}
	page.Release(group)
	page.Release(group)
	if left := page.Guards(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

// TestPageIsLeftToTheNext opens the page again, as the next daemon of this boot and
// as one of another.
func TestPageIsLeftToTheNext(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	a, b := p.group("a"), p.group("b")
	until := boot.Now().Add(time.Minute)
	for _, path := range []string{a, b} {
		if err := page.Guard(path, until); err != nil {
			t.Fatal(err)
		}
	}
	page.Release(b)
	page.Close()
	page = p.page()
	if left := page.Guards(); !slices.Equal(left, []Guarded{{a, until, Armed}}) {
		t.Errorf("left %v", left)
	}
	before := page.file.state(page.rows[a]).Load()
	if err := page.Guard(a, until+1); err != nil || page.file.state(page.rows[a]).Load() != before {
		t.Errorf("guarding what is guarded began anew: %v", err)
	}
	if left := page.Guards(); left[0].Expiry != until+1 {
		t.Errorf("and was not renewed: %v", left)
	}
	remake(t, a)
	if err := page.Guard(a, until); err != nil || page.file.state(page.rows[a]).Load() == before {
		t.Errorf("a group that was made anew kept its guard: %v", err)
	}
	page.file.Bytes()[atBoot] ^= 1
	page.Close()
	if left := p.page().Guards(); len(left) != 0 {
		t.Errorf("left by another boot: %v", left)
	}
}

// TestPageEnd ends a guard that lasts at once, and leaves one that has expired where it
// was: a peer counts from there.
func TestPageEnd(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	a := p.group("a")
	before := boot.Now()
	if err := page.Guard(a, before.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := page.End(a); err != nil {
		t.Fatal(err)
	}
	if at := page.Guards()[0].Expiry; at < before || at > boot.Now() {
		t.Errorf("ended %v from now", at.Sub(boot.Now()))
	}
	expired := before.Add(-Grace / 2)
	if err := page.Renew(a, expired); err != nil {
		t.Fatal(err)
	}
	if err := page.End(a); err != nil || page.Guards()[0].Expiry != expired {
		t.Errorf("what had expired expires %v later: %v", page.Guards()[0].Expiry.Sub(expired), err)
	}
	if err := page.End(p.group("b")); err == nil {
		t.Error("ended what is not guarded")
	}
}

func TestPageFull(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	for n := range MaxGroups + 1 {
		path := p.group(fmt.Sprint(n))
		err := page.Guard(path, boot.Now().Add(time.Minute))
		if full := n == MaxGroups; full != (err != nil) || full && !strings.Contains(err.Error(), "256 groups are the most") {
			t.Fatalf("group %d: %v", n, err)
		}
	}
}

func TestPageIsNoLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("other", filepath.Join(dir, pageName)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenPage(dir); err == nil {
		t.Error("followed a symbolic link")
	}
}

// TestRowIsNeverOfTwo reads a row over and over while it becomes another group's.
func TestRowIsNeverOfTwo(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	other, err := openPageFile(p.runDir)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var rows [2]row
	for i := range rows {
		if rows[i], err = identify(p.group(strings.Repeat(string(rune('a'+i)), 100*(i+1)))); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			default:
			}
			path := rows[n%2].path
			if err := page.Guard(path, boot.Now().Add(time.Minute)); err != nil {
				t.Error(err)
				return
			}
			page.Release(path)
		}
	})
	seen := [2]int{}
	await(t, "both groups", func() bool {
		for range 1000 {
			r, ok := other.read(0)
			if !ok || r.state.status() != Armed {
				continue
			}
			i := slices.IndexFunc(rows[:], func(w row) bool { return w.path == r.path })
			if i < 0 || rows[i].Inode != r.Inode {
				t.Fatalf("read %+v, which is no group's", r)
			}
			seen[i]++
		}
		return seen[0] > 1000 && seen[1] > 1000
	})
	close(done)
	writer.Wait()
}

// Renewals come with every beat: they leave nothing to collect.
func TestRenewAllocatesNothing(t *testing.T) {
	p := newPlace(t)
	page := p.page()
	group := p.group("historian")
	if err := page.Guard(group, boot.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	until := boot.Now().Add(time.Minute)
	if n := testing.AllocsPerRun(100, func() {
		until++
		if err := page.Renew(group, until); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	page.file.state(0).Store(uint64(state(page.file.state(0).Load()).become(Killing)))
	if err := page.Renew(group, until); !errors.Is(err, ErrKilled) {
		t.Errorf("a group that is being killed: %v", err)
	}
}
