package state

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
	"vipd/token"
	"vipd/vipd/node"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s := Open(dir)
	if s.lost != nil {
		t.Fatal(s.LostText())
	}
	return s
}

func TestStoreComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "dir")
	s := open(t, dir)
	if err := s.change(func(s *State) {
		s.HighWater, s.Suspended = 2000, true
		s.Records["vip:a"] = heldFor{Epoch: 513, Holder: true, To: 2}
	}); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if got := again.State(); got.HighWater != 2000 || !got.Suspended {
		t.Errorf("came back as %+v", got)
	}
	if got, want := again.Record("vip:a"), (token.Record{Epoch: 513, Holder: true, To: 2}); got != want {
		t.Errorf("record %+v, want %+v", got, want)
	}
	if got := again.Record("vip:other"); got != (token.Record{}) {
		t.Errorf("a token never stored has record %+v", got)
	}
}

// That this node holds counts in the boot that wrote it alone; the epoch always.
func TestStoreOfAnotherBoot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	s.boot = "before"
	s.change(func(s *State) { s.Records["vip:a"] = heldFor{Epoch: 513, Holder: true} })
	again := open(t, dir)
	if got, want := again.Record("vip:a"), (token.Record{Epoch: 513}); got != want {
		t.Errorf("record %+v, want %+v", got, want)
	}
	again.change(func(s *State) { s.Suspended = true }) // must not make the old holder one of this boot
	if open(t, dir).Record("vip:a").Holder {
		t.Error("a change of something else revived a holder of another boot")
	}
}

// A file that can't be used is set aside under a name of its own, untouched, and the state
// begins anew; what was set aside before stays too.
func TestStoreSetsAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	whole := `{"version":1,"high_water":7}`
	link := filepath.Join(t.TempDir(), "elsewhere")
	os.WriteFile(link, []byte(whole), 0o600)
	write := func(text string) func() { return func() { os.WriteFile(path, []byte(text), 0o600) } }
	for n, c := range []struct {
		name  string
		plant func()
		why   string
	}{
		{"garbage", write("\x00\x01"), "invalid character"},
		{"half a file", write(`{"version":1,"high_`), "unexpected end"},
		{"empty", write(""), "unexpected end"},
		{"zeros", write(strings.Repeat("\x00", 400)), "invalid character"},
		{"two values", write(`{"version":1}{}`), "invalid character"},
		{"newer version", write(`{"version":2,"high_water":7}`), "version 2, want 1"},
		{"no version", write(`{}`), "version 0, want 1"},
		{"wrong type", write(`{"version":1,"high_water":"x"}`), "cannot unmarshal"},
		{"negative", write(`{"version":1,"high_water":-1}`), "cannot unmarshal"},
		{"absurd", write(`{"version":1,"high_water":35184372088833}`), "more than any clock"},
		{"too long", write(whole + strings.Repeat(" ", maxState)), "longer than"},
		{"others may write", func() { write(whole)(); os.Chmod(path, 0o666) }, "mode 0666 lets others write it"},
		{"a link", func() { os.Symlink(link, path) }, "too many levels of symbolic links"},
		{"a pipe without a writer", func() { unix.Mkfifo(path, 0o600) }, "no regular file"},
		{"a directory", func() { os.MkdirAll(filepath.Join(path, "x"), 0o755) }, "no regular file"},
	} {
		c.plant()
		before, _ := os.Lstat(path)
		s := Open(dir)
		aside := fmt.Sprintf("%s.unusable.%d", path, n+1)
		if text := s.LostText(); !strings.Contains(text, c.why) || !strings.Contains(text, aside) {
			t.Errorf("%s: said %q, want %q and %s", c.name, text, c.why, aside)
		}
		if after, err := os.Lstat(aside); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: is not set aside as it was: %v", c.name, err)
		}
		if s.State().HighWater != 0 || s.State().Suspended {
			t.Errorf("%s: believed: %+v", c.name, s.State())
		}
		if err := s.change(func(s *State) { s.HighWater = 1000 }); err != nil || open(t, dir).State().HighWater != 1000 {
			t.Errorf("%s: does not begin anew: %v", c.name, err)
		}
		os.Remove(path)
	}
}

// A file of another user is not believed, and neither is one that can't be read.
func TestStoreOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	os.WriteFile(path, []byte(`{"version":1,"high_water":7}`), 0o600)
	if err := os.Chown(path, 4242, 4242); err != nil {
		t.Skipf("needs the right to give a file away: %v", err)
	}
	if s := Open(dir); !strings.Contains(s.LostText(), "belongs to user 4242") || s.State().HighWater != 0 {
		t.Errorf("said %q, state %+v", s.LostText(), s.State())
	}
}

// What can't be set aside is not written over either, however often the disk is tried; when
// it can be, it goes.
func TestStoreOnAReadOnlyDisk(t *testing.T) {
	dir := rig.SmallDisk(t)
	path := filepath.Join(dir, "state.json")
	os.WriteFile(path, []byte("{"), 0o600)
	remount(t, dir, unix.MS_RDONLY)
	s := Open(dir)
	if text := s.LostText(); !strings.Contains(text, "could not be set aside") {
		t.Errorf("said %q", text)
	}
	for range 3 {
		if err := s.change(func(s *State) { s.HighWater = 1000 }); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Fatalf("a read-only disk: %v", err)
		}
	}
	remount(t, dir, 0)
	if err := s.change(func(s *State) { s.HighWater = 1000 }); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path + ".unusable.1"); string(text) != "{" || open(t, dir).State().HighWater != 1000 {
		t.Errorf("set aside %q, state %+v", text, open(t, dir).State())
	}
}

// A state directory that is none, or that can't be made, is told at the first write alone.
func TestStoreWithoutADirectory(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	os.WriteFile(plain, nil, 0o600)
	for _, dir := range []string{plain, filepath.Join(plain, "below")} {
		s := Open(dir)
		if text := s.LostText(); text != "" {
			t.Errorf("%s: %q", dir, text)
		}
		if err := s.change(func(*State) {}); err == nil || !strings.Contains(err.Error(), plain) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, "size=256k"); err != nil {
		t.Fatal(err)
	}
}

// Whenever the power goes, what is on disk is the old state or the new one: a
// crash leaves any prefix of the new file beside the whole old one, or, after the
// rename, the new one.
func TestStoreSurvivesACrashAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	s := open(t, dir)
	s.change(func(s *State) { s.HighWater = 1000 })
	old, _ := os.ReadFile(path)
	s.change(func(s *State) { s.HighWater = 2000 })
	next, _ := os.ReadFile(path)
	for n := range len(next) + 1 {
		os.WriteFile(path, old, 0o600)
		os.WriteFile(path+".new", next[:n], 0o600)
		crashed := open(t, dir)
		if got := crashed.State().HighWater; got != 1000 {
			t.Fatalf("after %d bytes: high water %d", n, got)
		}
		if err := crashed.change(func(s *State) { s.Suspended = true }); err != nil {
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
	dir := rig.SmallDisk(t)
	s := open(t, dir)
	if err := s.change(func(s *State) { s.HighWater = 1000 }); err != nil {
		t.Fatal(err)
	}
	ballast := rig.FillDisk(t, dir)
	if err := s.change(func(s *State) { s.HighWater = 2000 }); err == nil {
		t.Fatal("a full disk took the change")
	}
	if s.State().HighWater != 1000 || open(t, dir).State().HighWater != 1000 {
		t.Error("the state before was lost")
	}
	os.Remove(ballast)
	if err := s.change(func(s *State) { s.HighWater = 3000 }); err != nil || open(t, dir).State().HighWater != 3000 {
		t.Errorf("with room again: %v", err)
	}
}

// The writer answers every question with what became of it, and speaks of the disk once
// when it fails and once when it is well. A record waits for the disk; epochs, and what an
// operator ordered, are in force without it and written when it can be.
func TestWriter(t *testing.T) {
	dir := rig.SmallDisk(t)
	var answers []token.Event
	var reports []bool
	w := NewWriter(open(t, dir), WriterOptions{Answer: func(ev token.Event) { answers = append(answers, ev) },
		Report: func(err error) { reports = append(reports, err != nil) }})
	ballast := rig.FillDisk(t, dir)
	Epochs{token.ReserveEpochs{HighWater: 1000}}.write(w)
	Epochs{token.ReserveEpochs{HighWater: 500}}.write(w) // never backwards
	Record{"vip:a", token.PersistRecord{Token: 3, Record: token.Record{Epoch: 5, Holder: true}}}.write(w)
	Suspension{On: true}.write(w)
	StoppedGroup{node.KeepStoppedGroups{Name: "group:a", On: true}}.write(w)
	StoppedGroup{node.KeepStoppedGroups{Name: "group:b", On: true}}.write(w)
	StoppedGroup{node.KeepStoppedGroups{Name: "group:b"}}.write(w)
	os.Remove(ballast)
	Record{"vip:a", token.PersistRecord{Token: 3, Record: token.Record{Epoch: 5, Holder: true}}}.write(w)
	want := []token.Event{token.EpochsReserved{HighWater: 1000, OK: true}, token.EpochsReserved{HighWater: 500, OK: true}, token.RecordPersisted{Token: 3}, token.RecordPersisted{Token: 3, OK: true}}
	if !reflect.DeepEqual(answers, want) {
		t.Errorf("answers %v, want %v", answers, want)
	}
	if !reflect.DeepEqual(reports, []bool{true, false}) {
		t.Errorf("reports %v, want one that it fails and one that it is well", reports)
	}
	if got := open(t, dir).State(); got.HighWater != 1000 || !got.Suspended || !reflect.DeepEqual(got.Halted, []string{"group:a"}) {
		t.Errorf("on disk %+v", got)
	}
}

// A disk that is well again is noticed without anything to write.
func TestWriterTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		plain := filepath.Join(dir, "state")
		os.WriteFile(plain, nil, 0o600)
		reports := make(chan error, 8)
		w := NewWriter(Open(plain), WriterOptions{Answer: func(token.Event) {}, Report: func(err error) { reports <- err }})
		go w.Run(t.Context())
		w.Enqueue(Epochs{token.ReserveEpochs{HighWater: 1000}})
		if err := <-reports; err == nil {
			t.Fatal("a file as a directory took it")
		}
		os.Remove(plain)
		os.Mkdir(plain, 0o700)
		if err := <-reports; err != nil {
			t.Fatal(err)
		}
		if got := open(t, plain).State().HighWater; got != 1000 {
			t.Errorf("high water %d", got)
		}
	})
}

// Records that wait together are written together, and what was asked after them comes
// after them.
func TestRecordsOfManyTokens(t *testing.T) {
	dir := t.TempDir()
	var answers []token.Event
	w := NewWriter(open(t, dir), WriterOptions{Report: func(error) {}})
	w.Answer = func(ev token.Event) {
		if answers = append(answers, ev); len(open(t, dir).State().Records) != 3 {
			t.Errorf("at the answer %v the disk has %v", ev, open(t, dir).State().Records)
		}
	}
	record := func(i int) Record {
		return Record{fmt.Sprintf("vip:%d", i), token.PersistRecord{Token: i, Record: token.Record{Epoch: uint64(i), Promised: true}}}
	}
	w.queue <- record(2)
	w.queue <- record(3)
	w.queue <- Epochs{token.ReserveEpochs{HighWater: 1000}}
	w.queue <- record(4)
	if next := w.batch(record(1)); next != Request(Epochs{token.ReserveEpochs{HighWater: 1000}}) {
		t.Errorf("next is %v", next)
	}
	if want := []token.Event{token.RecordPersisted{Token: 1, OK: true}, token.RecordPersisted{Token: 2, OK: true}, token.RecordPersisted{Token: 3, OK: true}}; !reflect.DeepEqual(answers, want) {
		t.Errorf("answers %v", answers)
	}
	if len(w.queue) != 1 {
		t.Errorf("%d wait", len(w.queue))
	}
}
