package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecondDaemonIsRefused(t *testing.T) {
	dir, _ := serve(t, &fakeDaemon{status: pair()})
	_, err := Listen(dir, &fakeDaemon{}, NewJournal(), slog.New(slog.DiscardHandler))
	want := fmt.Sprintf("another vipd runs with this run dir %s (pid %d)", dir, os.Getpid())
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeHeld || e.Message != want {
		t.Errorf("got %v, want %q", err, want)
	}
	if _, err := Dial(dir).Status(t.Context()); err != nil {
		t.Errorf("the first is harmed: %v", err)
	}
}

func TestDeadDaemonsSocketIsReplaced(t *testing.T) {
	dir := shortDir(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: SocketPath(dir), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if _, err := Dial(dir).Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Fatalf("a dead socket: %v", err)
	}
	start(t, dir, &fakeDaemon{status: pair()}, NewJournal())
	if _, err := Dial(dir).Status(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := os.Lstat(SocketPath(dir))
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestDeletedFilesComeBack(t *testing.T) {
	t.Parallel() // it mostly waits
	dir, _ := serve(t, &fakeDaemon{status: pair()})
	for _, gone := range []string{socketName, lockName, ""} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
		within(t, 20*lookEvery, "an answer after "+gone+" was deleted", func() bool {
			_, err := Dial(dir).Status(t.Context())
			pid, _ := os.ReadFile(filepath.Join(dir, lockName)) // written when the lock is held
			return err == nil && len(pid) > 0
		})
		if _, err := Listen(dir, &fakeDaemon{}, NewJournal(), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s deleted: a second daemon gets the run dir", gone)
		}
	}
}

func TestListenRefuses(t *testing.T) {
	file := filepath.Join(shortDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := shortDir(t)
	if err := os.Symlink(file, filepath.Join(link, lockName)); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		"/tmp/" + strings.Repeat("x", 100): "the path has 115 bytes, at most 103 fit",
		file:                               "make run dir",
		link:                               "too many levels of symbolic links",
	} {
		_, err := Listen(dir, &fakeDaemon{}, NewJournal(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", dir, err, want)
		}
	}
}
