package leasing

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/testlab/rig"
)

func openedPage(t *testing.T, path string) (*Page, []Row) {
	t.Helper()
	p, left, err := OpenPage(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, left
}

func TestPageIsLeftToTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	p, left := openedPage(t, path)
	if len(left) != 0 {
		t.Fatalf("a new page has rows %v", left)
	}
	held := Row{ID: 7, Epoch: 513, Since: 40, Pinned: true}
	p.Hold(3, held)
	p.renew(3, 1000)
	p.Hold(5, Row{ID: 8, Epoch: 514, Since: 50})
	p.renew(5, 1000)
	p.renew(5, 0) // given up
	p.Hold(6, Row{ID: 9, Epoch: 515})
	held.Expiry = 1000
	_, left = openedPage(t, path)
	want := []Row{held, {ID: 8, Epoch: 514, Since: 50}, {ID: 9, Epoch: 515}}
	if !slices.Equal(left, want) {
		t.Errorf("left %+v, want %+v", left, want)
	}
	if _, left = openedPage(t, path); len(left) != 0 {
		t.Errorf("what was adopted once is left again: %+v", left)
	}
}

// A new grant of a row must not live by the old one's expiry for a moment.
func TestPageNewGrantBeginsExpired(t *testing.T) {
	p, _ := openedPage(t, filepath.Join(t.TempDir(), "leases"))
	p.Hold(0, Row{ID: 7, Epoch: 1})
	p.renew(0, 1000)
	p.Hold(0, Row{ID: 7, Epoch: 1, Pinned: true})
	if p.Expiry(0) != 1000 {
		t.Error("the same grant lost its expiry")
	}
	p.Hold(0, Row{ID: 7, Epoch: 2})
	if p.Expiry(0) != 0 {
		t.Error("another grant began with the expiry of the one before")
	}
}

func TestPageBeyondItsEnd(t *testing.T) {
	p, _ := openedPage(t, filepath.Join(t.TempDir(), "leases"))
	p.Hold(pageRows, Row{ID: 7, Epoch: 1})
	p.renew(pageRows, 1)
	p.Hold(pageRows-1, Row{ID: 7, Epoch: 1})
	p.renew(pageRows-1, 1)
	if rows := p.rows(); len(rows) != 1 {
		t.Errorf("rows %v", rows)
	}
}

func TestPageOfAnotherBootOrNoPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "leases")
	p, _ := openedPage(t, path)
	p.Hold(0, Row{ID: 7, Epoch: 1})
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
	if _, _, err := OpenPage(path); err == nil {
		t.Error("followed a symbolic link")
	}
}

func TestAdoptable(t *testing.T) {
	const now, longest = clock.Instant(10 * time.Second), 2 * time.Second
	at := func(d time.Duration) clock.Instant { return now.Add(d) }
	for _, c := range []struct {
		name string
		row  Row
		want bool
	}{
		{"lasts", Row{Expiry: at(100 * time.Millisecond), Since: 5}, true},
		{"longest", Row{Expiry: at(longest), Since: now}, true},
		{"expired", Row{Expiry: at(0)}, false},
		{"about to", Row{Expiry: at(2 * time.Millisecond)}, false},
		{"never written so", Row{Expiry: at(longest + 1)}, false},
		{"since later", Row{Expiry: at(time.Second), Since: at(1)}, false},
		{"negative", Row{Expiry: -1}, false},
	} {
		if lease := c.row.Found(); lease.Lasts(now, longest) != c.want {
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
	p, left, err := OpenPage(path)
	if !errors.Is(err, unix.ENOSPC) || len(left) != 0 {
		t.Fatalf("a full disk: %v, left %v", err, left)
	}
	for i := range pageRows {
		p.Hold(i, Row{ID: uint64(i + 1), Epoch: 257})
		p.renew(i, 5)
	}
	if rows := p.rows(); len(rows) != pageRows || p.Expiry(pageRows-1) != 5 {
		t.Errorf("it holds %d rows", len(rows))
	}
	p.Close()
	os.Remove(ballast)
	p, _, err = OpenPage(path)
	if err != nil {
		t.Fatal(err)
	}
	p.Hold(0, Row{ID: 7, Epoch: 257})
	p.renew(0, 5)
	p.Close()
	rig.FillDisk(t, dir)
	if p, left, err = OpenPage(path); err != nil || len(left) != 1 {
		t.Errorf("a page that has its room: %v, left %v", err, left)
	}
	p.Close()
}
