package control

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func TestNobodyAnswers(t *testing.T) {
	t.Parallel() // it mostly waits
	dir := shortDir(t)
	if _, err := Dial(dir).Status(t.Context()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	frozen, err := net.Listen("unix", SocketPath(dir)) // accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	if _, err := Dial(dir).Status(t.Context()); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("a frozen daemon: %v", err)
	}
}

// A daemon that is stopped is not left a request to do when it goes on.
func TestNothingIsLeftToAStoppedDaemon(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	stopped, err := net.Listen("unix", SocketPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := Dial(dir).Move(t.Context(), MoveRequest{Token: "vip:front", To: "hist-b"}); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("a stopped daemon: %v", err)
	}
	if took := time.Since(began); took > ChangeLimit/2 {
		t.Errorf("it took %v to say so", took)
	}
	conn, err := stopped.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer stopped.Close()
	sent, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(sent), "POST /v1/move") || strings.Contains(string(sent), "hist-b") {
		t.Errorf("it finds %q, %v", sent, err)
	}
}

func TestRestarted(t *testing.T) {
	dir := shortDir(t)
	old := pair().Started
	_, stop := start(t, dir, &fakeDaemon{status: pair()}, NewJournal())
	type result struct {
		s   Status
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := Dial(dir).Restarted(t.Context(), old)
		done <- result{s, err}
	}()
	stop()
	anew := &fakeDaemon{status: pair()}
	anew.setStarted(old.Add(time.Hour))
	start(t, dir, anew, NewJournal())
	if r := <-done; r.err != nil || !r.s.Started.Equal(old.Add(time.Hour)) {
		t.Errorf("got %v, %v", r.s.Started, r.err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Dial(dir).Restarted(ctx, old.Add(time.Hour)); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("no new process: %v", err)
	}
}

// What only reads is asked for again where the connection was cut for another caller's.
func TestReadOutlastsACut(t *testing.T) {
	dir, _ := serve(t, &fakeDaemon{status: pair()})
	path := SocketPath(dir)
	if err := os.Rename(path, path+".real"); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if n%3 != 2 { // two of three are cut
				c.Close()
				continue
			}
			real, err := net.Dial("unix", path+".real")
			if err != nil {
				c.Close()
				continue
			}
			go io.Copy(real, c)
			go func() { io.Copy(c, real); c.Close(); real.Close() }()
		}
	}()
	for range 5 {
		if _, err := Dial(dir).Status(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
