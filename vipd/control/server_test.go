package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// slow opens connections that send the beginning of a request and no more. They are
// opened anew as soon as they are cut, when refresh is set, until the test ends.
func slow(t *testing.T, dir string, n int, refresh bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	open := func() (net.Conn, error) {
		c, err := net.Dial("unix", SocketPath(dir))
		if err == nil {
			_, err = c.Write([]byte("GET /v1/status HT"))
		}
		return c, err
	}
	for range n {
		c, err := open()
		if err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Fatal(err)
		}
		all.Go(func() {
			for {
				stop := context.AfterFunc(ctx, func() { c.Close() })
				c.Read(make([]byte, 1)) // until it is cut
				stop()
				c.Close()
				if !refresh || ctx.Err() != nil {
					return
				}
				if c, err = open(); c == nil {
					return
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); all.Wait() })
}

// Slow callers keep no others waiting, be they many or stubborn, of the same user too:
// a new connection never waits for the end of an old one, which takes patience.
func TestSlowCallersKeepNoneWaiting(t *testing.T) {
	for _, c := range []struct {
		name    string
		n       int
		refresh bool
	}{{"a thousand", 1000, false}, {"refreshed", 64, true}, {"more than there is room for, refreshed", maxConnections + 64, true}} {
		t.Run(c.name, func(t *testing.T) {
			dir, _ := serve(t, &fakeDaemon{status: pair()})
			slow(t, dir, c.n, c.refresh)
			var best, worst time.Duration
			for range 20 {
				began := time.Now()
				if _, err := Dial(dir).Status(t.Context()); err != nil {
					t.Fatal(err)
				}
				took := time.Since(began)
				worst = max(worst, took)
				if best == 0 || took < best {
					best = took
				}
			}
			t.Logf("status took %v to %v", best, worst)
			if best > patience/2 {
				t.Errorf("the quickest status of 20 took %v: it waited for others", best)
			}
		})
	}
}

// A caller that sends nothing is cut after patience.
func TestSlowCallerIsCut(t *testing.T) {
	t.Parallel() // it mostly waits
	dir, _ := serve(t, &fakeDaemon{status: pair()})
	for _, text := range []string{"", "G", "POST /v1/move HTTP/1.1\r\nHost: vipd\r\nContent-Length: 100\r\n\r\n{"} {
		c, err := net.Dial("unix", SocketPath(dir))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(20 * patience))
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Errorf("after %q: %v", text, err)
		}
	}
}

// place makes a connection of a user that the admission knows as one in that phase.
func place(t *testing.T, a *admission, uid uint32, p phase) (c *conn, ok bool) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(pair[1])
	f := os.NewFile(uintptr(pair[0]), "pair")
	defer f.Close()
	n, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	c = &conn{UnixConn: n.(*net.UnixConn), caller: Caller{UID: uid}, phase: p, admission: a}
	ok, _ = a.admit(c)
	return c, ok
}

// Where every place but root's is taken, by callers that can't be cut, root gets one.
func TestRootHasPlacesOfItsOwn(t *testing.T) {
	const own, other = 990, 1000
	a := newAdmission(own, slog.New(slog.DiscardHandler))
	for range maxConnections - rootReserve {
		if _, ok := place(t, a, other, phaseWorking); !ok {
			t.Fatal("no place although there is room")
		}
	}
	if _, ok := place(t, a, other, phaseSending); ok {
		t.Error("one more of another user was let in to root's places")
	}
	for i := range rootReserve {
		if _, ok := place(t, a, []uint32{0, own}[i%2], phaseSending); !ok {
			t.Fatal("root was refused")
		}
	}
	if _, ok := place(t, a, other, phaseSending); ok {
		t.Error("a connection of root was cut for another user")
	}
	if _, ok := place(t, a, 0, phaseSending); !ok {
		t.Error("root's oldest slow connection was not cut for a new one of root")
	}
	if n := len(a.open); n != maxConnections {
		t.Errorf("%d connections are open", n)
	}
}

// The connection that is cut is one of the user with the most of them, and one that
// sends nothing before one that is being answered.
func TestWhichConnectionIsCut(t *testing.T) {
	a := newAdmission(0, slog.New(slog.DiscardHandler))
	quiet, _ := place(t, a, 1001, phaseSending)
	answered, _ := place(t, a, 1000, phaseAnswering)
	first, _ := place(t, a, 1000, phaseSending)
	for len(a.open) < maxConnections-rootReserve {
		place(t, a, 1000, phaseSending)
	}
	place(t, a, 1001, phaseSending)
	for name, c := range map[string]*conn{"the lone user's": quiet, "the answered": answered} {
		if !slices.Contains(a.open, c) {
			t.Errorf("%s connection was cut", name)
		}
	}
	if slices.Contains(a.open, first) {
		t.Error("the oldest of the user with the most stayed")
	}
}

// Cuts are paced, so that callers who come again at once don't keep the daemon busy.
func TestCutsArePaced(t *testing.T) {
	a := newAdmission(0, slog.New(slog.DiscardHandler))
	a.credit, a.counted = 1, time.Now()
	paused := 0
	for range 200 {
		if a.charge(Caller{}) > 0 {
			paused++
		}
	}
	if paused == 0 {
		t.Error("no cut beyond the burst is paced")
	}
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

// A connection that is closed twice, as net/http may do, gives one place back.
func TestPlaceIsGivenBackOnce(t *testing.T) {
	a := newAdmission(0, slog.New(slog.DiscardHandler))
	first, _ := place(t, a, 0, phaseSending)
	place(t, a, 0, phaseSending)
	first.Close()
	first.Close()
	if n := len(a.open); n != 1 {
		t.Errorf("%d places are taken by 1 connection", n)
	}
}
