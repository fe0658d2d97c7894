package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMoveOutlivesReadDeadline: the limit for sending a request must not end
// one that takes long, and a caller that goes away ends it.
func TestMoveOutlivesReadDeadline(t *testing.T) {
	t.Parallel() // it mostly waits
	d := &fakeDaemon{status: pair(), wait: true}
	dir, _ := serve(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), patience+patience/4)
	defer cancel()
	_, err := Dial(dir).Move(ctx, MoveRequest{Token: "vip:front", To: "hist-b"})
	if !errors.Is(err, ErrNoAnswer) {
		t.Errorf("got %v, want ErrNoAnswer after the caller's own limit", err)
	}
}

func TestStopEndsMove(t *testing.T) {
	d := &fakeDaemon{status: pair(), wait: true}
	dir := shortDir(t)
	_, stop := start(t, dir, d, NewJournal())
	done := make(chan error, 1)
	go func() {
		_, err := Dial(dir).Move(context.WithoutCancel(t.Context()), MoveRequest{Token: "vip:front", To: "hist-b"})
		done <- err
	}()
	within(t, 5*time.Second, "the move begins", func() bool { return len(d.requests()) == 1 })
	stop()
	var e *Error
	if err := <-done; !errors.As(err, &e) || e.Code != CodeFailed || !strings.Contains(e.Message, "stopping") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(SocketPath(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestRestartAnswers: a daemon ends its server as soon as a restart is
// agreed; the answer leaves all the same, before Run returns.
func TestRestartAnswers(t *testing.T) {
	for range 20 {
		dir, d := shortDir(t), &fakeDaemon{status: pair()}
		s, err := Listen(dir, d, NewJournal(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		d.onExec = cancel
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		if _, err := Dial(dir).Restart(t.Context(), RestartRequest{}); err != nil {
			t.Errorf("Restart: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel() // it mostly waits
	dir, _ := serve(t, &fakeDaemon{status: pair()})
	for range maxConnections + maxConnections/2 { // none of them sends anything
		c, err := net.Dial("unix", SocketPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	// The idle ones lose their place after patience, round by round.
	within(t, 10*patience, "an answer in spite of idle connections", func() bool {
		_, err := Dial(dir).Status(t.Context())
		return err == nil
	})
}

func TestStreamsAreBounded(t *testing.T) {
	dir, j := serve(t, &fakeDaemon{status: pair()})
	j.Append(Event{Text: "begun"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	open := make(chan error, maxFollow)
	for range maxFollow {
		go func() {
			for p, err := range Dial(dir).Follow(ctx, 0) {
				if err == nil && len(p.Events) == 0 {
					err = errors.New("empty page")
				}
				open <- err
			}
		}()
	}
	for range maxFollow {
		if err := <-open; err != nil {
			t.Fatal(err)
		}
	}
	next := func() (err error) {
		for _, err = range Dial(dir).Follow(ctx, 0) {
			break
		}
		return err
	}
	var e *Error
	if err := next(); !errors.As(err, &e) || e.Code != CodeHeld {
		t.Errorf("one stream more: %v", err)
	}
	if _, err := Dial(dir).Status(ctx); err != nil {
		t.Errorf("status beside the streams: %v", err)
	}
	cancel() // a place that is given back can be taken
	ctx = t.Context()
	within(t, 5*time.Second, "a place for a stream", func() bool { return next() == nil })
}

// TestSlotIsGivenBackOnce: a connection that is closed twice, as net/http may
// do, makes room for one other and not for two.
func TestSlotIsGivenBackOnce(t *testing.T) {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: SocketPath(shortDir(t)), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := &listener{UnixListener: ln, slots: make(chan struct{}, 3), log: slog.New(slog.DiscardHandler)}
	var open []net.Conn
	for range 3 {
		c, err := net.Dial("unix", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		open = append(open, s)
	}
	open[0].Close()
	open[0].Close()
	if n := len(l.slots); n != 2 {
		t.Errorf("%d slots are taken by 2 connections", n)
	}
}
