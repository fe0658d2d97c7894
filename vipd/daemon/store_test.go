package daemon

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"vipd/token"
)

func open(t *testing.T, dir string) *store {
	t.Helper()
	s, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	s := open(t, dir)
	if err := s.change(func(s *stored) {
		s.HighWater, s.Suspended = 2000, true
		s.Records["vip:a"] = heldFor{Epoch: 513, Holder: true, To: 2}
	}); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if got := again.state(); got.HighWater != 2000 || !got.Suspended {
		t.Errorf("came back as %+v", got)
	}
	if got, want := again.record("vip:a"), (token.Record{Epoch: 513, Holder: true, To: 2}); got != want {
		t.Errorf("record %+v, want %+v", got, want)
	}
	if got := again.record("vip:other"); got != (token.Record{}) {
		t.Errorf("a token never stored has record %+v", got)
	}
}

// That this node holds counts in the boot that wrote it alone; the epoch always.
func TestStoreOfAnotherBoot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.boot = "before"
	s.change(func(s *stored) { s.Records["vip:a"] = heldFor{Epoch: 513, Holder: true} })
	again := open(t, dir)
	if got, want := again.record("vip:a"), (token.Record{Epoch: 513}); got != want {
		t.Errorf("record %+v, want %+v", got, want)
	}
	again.change(func(s *stored) { s.Suspended = true }) // must not make the old holder one of this boot
	if open(t, dir).record("vip:a").Holder {
		t.Error("a change of something else revived a holder of another boot")
	}
}

func TestStoreRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"garbage", "\x00\x01", "move it away to start anew"},
		{"half a file", `{"version":1,"high_`, "move it away to start anew"},
		{"empty", "", "move it away to start anew"},
		{"two values", `{"version":1}{}`, "move it away to start anew"},
		{"newer version", `{"version":2,"high_water":7}`, "version 2, want 1"},
		{"no version", `{}`, "version 0, want 1"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "state.json")
		os.WriteFile(path, []byte(c.text), 0o600)
		_, err := openStore(dir)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want the path and %q", c.name, err, c.want)
		}
		if left, _ := os.ReadFile(path); string(left) != c.text {
			t.Errorf("%s: the file was touched", c.name)
		}
	}
}

// Whenever the power goes, what is on disk is the old state or the new one: a
// crash leaves any prefix of the new file beside the whole old one, or, after the
// rename, the new one.
func TestStoreSurvivesACrashAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	s := open(t, dir)
	s.change(func(s *stored) { s.HighWater = 1000 })
	old, _ := os.ReadFile(path)
	s.change(func(s *stored) { s.HighWater = 2000 })
	next, _ := os.ReadFile(path)
	for n := range len(next) + 1 {
		os.WriteFile(path, old, 0o600)
		os.WriteFile(path+".new", next[:n], 0o600)
		crashed := open(t, dir)
		if got := crashed.state().HighWater; got != 1000 {
			t.Fatalf("after %d bytes: high water %d", n, got)
		}
		if err := crashed.change(func(s *stored) { s.Suspended = true }); err != nil {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files left behind: %v", entries)
	}
}

// A disk that is full refuses the change, and nothing is lost, neither on it nor
// in memory; with room again it works.
func TestStoreOnAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	s := open(t, dir)
	if err := s.change(func(s *stored) { s.HighWater = 1000 }); err != nil {
		t.Fatal(err)
	}
	ballast := fill(t, dir)
	if err := s.change(func(s *stored) { s.HighWater = 2000 }); err == nil {
		t.Fatal("a full disk took the change")
	}
	if s.state().HighWater != 1000 || open(t, dir).state().HighWater != 1000 {
		t.Error("the state before was lost")
	}
	os.Remove(ballast)
	if err := s.change(func(s *stored) { s.HighWater = 3000 }); err != nil || open(t, dir).state().HighWater != 3000 {
		t.Errorf("with room again: %v", err)
	}
}

// smallDisk mounts a file system of 64 KiB in the private mounts of the tests.
func smallDisk(t *testing.T) string {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs a file system of its own: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func fill(t *testing.T, dir string) (path string) {
	path = filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return path
		}
	}
}

// The keeper answers every question with what became of it, and speaks of the
// disk once when it fails and once when it is well.
func TestKeeper(t *testing.T) {
	dir := smallDisk(t)
	var answers []any
	var reports []bool
	k := &keeper{store: open(t, dir), answer: func(ev any) { answers = append(answers, ev) },
		report: func(err error) { reports = append(reports, err != nil) }}
	ballast := fill(t, dir)
	k.do(token.Reserve{HighWater: 1000})
	k.do(named{"vip:a", token.Store{Token: 3, Record: token.Record{Epoch: 5, Holder: true}}})
	os.Remove(ballast)
	k.do(token.Reserve{HighWater: 1000})
	k.do(named{"vip:a", token.Store{Token: 3, Record: token.Record{Epoch: 5, Holder: true}}})
	k.do(token.Reserve{HighWater: 500}) // never backwards
	want := []any{token.Reserved{HighWater: 1000}, token.Recorded{Token: 3}, token.Reserved{HighWater: 1000, OK: true},
		token.Recorded{Token: 3, OK: true}, token.Reserved{HighWater: 500, OK: true}}
	if !reflect.DeepEqual(answers, want) {
		t.Errorf("answers %v, want %v", answers, want)
	}
	if !reflect.DeepEqual(reports, []bool{true, false}) {
		t.Errorf("reports %v, want one that it fails and one that it is well", reports)
	}
	if got := k.store.state().HighWater; got != 1000 {
		t.Errorf("high water %d, want 1000", got)
	}
}
