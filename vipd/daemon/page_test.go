package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/testlab/rig"
)

func openedPage(t *testing.T, path string) (*page, []row) {
	t.Helper()
	p, left, err := openPage(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p, left
}

func TestPageIsLeftToTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	p, left := openedPage(t, path)
	if len(left) != 0 {
		t.Fatalf("a new page has rows %v", left)
	}
	held := row{id: 7, epoch: 513, since: 40, pinned: true}
	p.hold(3, held)
	p.renew(3, 1000)
	p.hold(5, row{id: 8, epoch: 514, since: 50})
	p.renew(5, 1000)
	p.renew(5, 0) // given up
	p.hold(6, row{id: 9, epoch: 515})
	held.expiry = 1000
	_, left = openedPage(t, path)
	want := []row{held, {id: 8, epoch: 514, since: 50}, {id: 9, epoch: 515}}
	if !slices.Equal(left, want) {
		t.Errorf("left %+v, want %+v", left, want)
	}
	if _, left = openedPage(t, path); len(left) != 0 {
		t.Errorf("what was adopted once is left again: %+v", left)
	}
}

// A daemon whose state file is lost grants above the epochs of earlier daemons of this
// boot, also of those before the last.
func TestEpochsGrowWithoutAStateFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.b.kill()
		time.Sleep(time.Second)
		granted := p.a.d.Status().Tokens[0].Epoch
		for range 2 {
			p.a.kill()
			if err := os.Remove(filepath.Join(p.a.dir, "state.json")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			p.a.boot()
		}
		time.Sleep(time.Minute) // a start beside a silent network waits
		p.until(p.a, front)
		if now := p.a.d.Status().Tokens[0].Epoch; now <= granted {
			t.Errorf("granted %d after %d", now, granted)
		}
	})
}

// A new grant of a row must not live by the old one's expiry for a moment.
func TestPageNewGrantBeginsExpired(t *testing.T) {
	p, _ := openedPage(t, filepath.Join(t.TempDir(), "leases"))
	p.hold(0, row{id: 7, epoch: 1})
	p.renew(0, 1000)
	p.hold(0, row{id: 7, epoch: 1, pinned: true})
	if p.expiry(0) != 1000 {
		t.Error("the same grant lost its expiry")
	}
	p.hold(0, row{id: 7, epoch: 2})
	if p.expiry(0) != 0 {
		t.Error("another grant began with the expiry of the one before")
	}
}

func TestPageBeyondItsEnd(t *testing.T) {
	p, _ := openedPage(t, filepath.Join(t.TempDir(), "leases"))
	p.hold(pageRows, row{id: 7, epoch: 1})
	p.renew(pageRows, 1)
	p.hold(pageRows-1, row{id: 7, epoch: 1})
	p.renew(pageRows-1, 1)
	if rows := p.rows(); len(rows) != 1 {
		t.Errorf("rows %v", rows)
	}
}

func TestPageOfAnotherBootOrNoPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	p, _ := openedPage(t, path)
	p.hold(0, row{id: 7, epoch: 1})
	p.renew(0, 1000)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(at int) []byte {
		b := append([]byte{}, good...)
		b[at] ^= 1
		return b
	}
	for name, text := range map[string][]byte{
		"another boot": changed(8), "another magic": changed(0), "empty": nil,
		"short": good[:30], "garbage": []byte("not a page at all, but long enough to hold a header"), "long": append(good[:0:0], make([]byte, 2*pageSize)...),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, left := openedPage(t, path); len(left) != 0 {
			t.Errorf("%s: left %+v", name, left)
		}
	}
	os.Remove(path)
	os.Symlink("/etc/passwd", path)
	if _, _, err := openPage(path); err == nil {
		t.Error("followed a symbolic link")
	}
}

func TestAdoptable(t *testing.T) {
	const now, longest = clock.Instant(10 * time.Second), 2 * time.Second
	at := func(d time.Duration) clock.Instant { return now.Add(d) }
	for _, c := range []struct {
		name string
		row  row
		want bool
	}{
		{"lasts", row{expiry: at(100 * time.Millisecond), since: 5}, true},
		{"longest", row{expiry: at(longest), since: now}, true},
		{"expired", row{expiry: at(0)}, false},
		{"about to", row{expiry: at(2 * time.Millisecond)}, false},
		{"never written so", row{expiry: at(longest + 1)}, false},
		{"since later", row{expiry: at(time.Second), since: at(1)}, false},
		{"negative", row{expiry: -1}, false},
	} {
		if lease := c.row.lease(); lease.Lasts(now, longest) != c.want {
			t.Errorf("%s: %v, want %v", c.name, !c.want, c.want)
		}
	}
}

// A page without room on its disk is one of this process alone: no store to it kills the
// process, as it would where the file has a hole. With room again the next one is kept.
func TestPageOnAFullDisk(t *testing.T) {
	dir := rig.SmallDisk(t)
	path := filepath.Join(dir, "leases")
	ballast := rig.FillDisk(t, dir)
	p, left, err := openPage(path)
	if !errors.Is(err, unix.ENOSPC) || len(left) != 0 {
		t.Fatalf("a full disk: %v, left %v", err, left)
	}
	for i := range pageRows {
		p.hold(i, row{id: uint64(i + 1), epoch: 257})
		p.renew(i, 5)
	}
	if rows := p.rows(); len(rows) != pageRows || p.expiry(pageRows-1) != 5 {
		t.Errorf("it holds %d rows", len(rows))
	}
	p.close()
	os.Remove(ballast)
	p, _, err = openPage(path)
	if err != nil {
		t.Fatal(err)
	}
	p.hold(0, row{id: 7, epoch: 257})
	p.renew(0, 5)
	p.close()
	rig.FillDisk(t, dir)
	if p, left, err = openPage(path); err != nil || len(left) != 1 {
		t.Errorf("a page that has its room: %v, left %v", err, left)
	}
	p.close()
}
