package control

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"
)

// fakeDaemon answers with what a test put in, and remembers what it was asked.
type fakeDaemon struct {
	mu     sync.Mutex
	status Status
	asked  []any
	wait   bool // block in Move until ctx ends
	err    error
	onExec func() // called in Restart, as a daemon ends its server there
}

func (f *fakeDaemon) note(q any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	return f.err
}

func (f *fakeDaemon) requests() []any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]any(nil), f.asked...)
}

func (f *fakeDaemon) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *fakeDaemon) setStarted(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Started = t
}

func (f *fakeDaemon) Move(ctx context.Context, q MoveRequest) (MoveResult, error) {
	err := f.note(q)
	if f.wait {
		<-ctx.Done()
		err = ctx.Err()
	}
	return MoveResult{Token: q.Token, From: "hist-a", To: q.To, Epoch: 0x1201, TookMS: 7.5, DryRun: q.DryRun}, err
}

func (f *fakeDaemon) Release(_ context.Context, q ReleaseRequest) (Change, error) {
	return Change{Text: q.Token + " follows policy again", DryRun: q.DryRun}, f.note(q)
}

func (f *fakeDaemon) Suspend(_ context.Context, q SuspendRequest) (Change, error) {
	return Change{Text: q.Node + " is suspended", DryRun: q.DryRun}, f.note(q)
}

func (f *fakeDaemon) Resume(_ context.Context, q ResumeRequest) (Change, error) {
	return Change{Text: q.Node + " is back", DryRun: q.DryRun}, f.note(q)
}

func (f *fakeDaemon) Reload(_ context.Context, q ReloadRequest) (Change, error) {
	return Change{Text: "taken over"}, f.note(q)
}

func (f *fakeDaemon) Restart(_ context.Context, q RestartRequest) (Change, error) {
	if f.onExec != nil {
		f.onExec()
	}
	return Change{Text: "restarting", DryRun: q.DryRun}, f.note(q)
}

func (f *fakeDaemon) Group(_ context.Context, o GroupOrder) (Change, error) {
	return Change{Text: o.Verb + " of " + o.Name, DryRun: o.DryRun}, f.note(o)
}

// shortDir is a folder whose name leaves room for a socket's 107 bytes;
// t.TempDir can be longer than that under a long test name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vipd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// serve runs a server in a folder of its own until the test ends.
func serve(t *testing.T, d Daemon) (dir string, j *Journal) {
	t.Helper()
	dir, j = shortDir(t), NewJournal()
	start(t, dir, d, j)
	return dir, j
}

// start runs a server; stop ends it and waits, and may be called twice.
func start(t *testing.T, dir string, d Daemon, j *Journal) (s *Server, stop func()) {
	t.Helper()
	s, err := Listen(dir, d, j, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// within waits for a condition.
func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}
