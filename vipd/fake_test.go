package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"vipd/vipd/control"
)

// fakeDaemon answers what a test put in.
type fakeDaemon struct {
	mu      sync.Mutex
	status  control.Status
	asked   []any
	err     error
	restart func()
}

func (f *fakeDaemon) note(q any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	return f.err
}

func (f *fakeDaemon) Status() control.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

func (f *fakeDaemon) Move(_ context.Context, q control.MoveRequest) (control.MoveResult, error) {
	m := control.MoveResult{Token: q.Token, From: "hist-a", To: q.To, DryRun: q.DryRun, ExpectedOutageMS: 8}
	if !q.DryRun {
		m.Epoch, m.TookMS = 4609, 7.52
	}
	return m, f.note(q)
}

func (f *fakeDaemon) Release(_ context.Context, q control.ReleaseRequest) (control.Change, error) {
	return control.Change{Text: q.Token + " follows policy again", DryRun: q.DryRun}, f.note(q)
}

func (f *fakeDaemon) Suspend(_ context.Context, q control.SuspendRequest) (control.Change, error) {
	m := control.MoveResult{Token: "vip:front", From: q.Node, To: "hist-b", DryRun: q.DryRun, ExpectedOutageMS: 8, TookMS: 12, Epoch: 4865}
	return control.Change{Text: q.Node + " is suspended", Moves: []control.MoveResult{m}, DryRun: q.DryRun, ExpectedOutageMS: 8}, f.note(q)
}

func (f *fakeDaemon) Resume(_ context.Context, q control.ResumeRequest) (control.Change, error) {
	return control.Change{Text: q.Node + " is back", DryRun: q.DryRun}, f.note(q)
}

func (f *fakeDaemon) Reload(_ context.Context, q control.ReloadRequest) (control.Change, error) {
	return control.Change{Text: "taken over"}, f.note(q)
}

func (f *fakeDaemon) Restart(_ context.Context, q control.RestartRequest) (control.Change, error) {
	if f.restart != nil && !q.DryRun {
		f.restart()
	}
	return control.Change{Text: "this daemon would execute itself anew", DryRun: q.DryRun}, f.note(q)
}

func (f *fakeDaemon) Group(_ context.Context, o control.GroupOrder) (control.Change, error) {
	c := control.Change{Text: o.Verb + " of " + o.Name, DryRun: o.DryRun}
	if o.DryRun && o.Node != "" {
		c.ExpectedOutageMS = 3
		c.Moves = []control.MoveResult{
			{Token: "vip:front", From: o.Node, To: "hist-b", ExpectedOutageMS: 3, DryRun: true},
			{Token: "group:" + o.Name, From: o.Node, To: "hist-b", DryRun: true},
		}
	}
	return c, f.note(o)
}

// serve runs a fake daemon until the test ends, or until stop.
func serve(t *testing.T, f *fakeDaemon, j *control.Journal, dir string) (stop func()) {
	t.Helper()
	s, err := control.Listen(dir, f, j, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// shortDir leaves room for the 107 bytes of a socket's path.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vipd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// vipd runs one command line.
func vipd(ctx context.Context, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = execute(ctx, args, &o, &e)
	return code, o.String(), e.String()
}

// pair is a two-node cluster as hist-a sees it.
func pair(taken time.Time) control.Status {
	f := func(v float64) *float64 { return &v }
	return control.Status{
		Node: "hist-a", Cluster: "plant1", Version: "1.0.0", WireVersion: 1, ConfigDigest: "3f2a91c0",
		Started: taken.Add(-76 * time.Hour), PID: 812, LeaseLayer: "valid_lft", AsOf: taken,
		Nodes: []control.NodeStatus{
			{Name: "hist-a", Self: true, ID: 1, State: control.NodeUp, Priority: 200,
				Clock: control.ClockStatus{Verdict: control.ClockWithin, Synchronised: new(true)}},
			{Name: "hist-b", ID: 2, State: control.NodeUp, Priority: 100, HeardAgeMS: f(24.5),
				Paths: []control.PathStatus{
					{Local: "192.0.2.11", Remote: "192.0.2.12", Up: true, LossRatio: 0.008, RoundTripMS: f(0.3), HeardAgeMS: f(24.5)},
					{Local: "198.51.100.1", Remote: "198.51.100.2", LossRatio: 1, HeardAgeMS: f(65e3)},
				},
				Clock: control.ClockStatus{OffsetMS: f(3.1), ErrorBoundMS: f(0.2), Verdict: control.ClockWithin}},
		},
		Tokens: []control.TokenStatus{{
			Name: "vip:front", Kind: "vip", State: "active", Holder: "hist-a", Holders: []string{"hist-a"}, Epoch: 4353,
			Since: taken.Add(-75 * time.Hour), SinceMS: f(75 * 3600e3), Addresses: []string{"192.0.2.10"},
			Eligible: []control.Eligibility{
				{Node: "hist-a", Fit: true, Priority: 200},
				{Node: "hist-b", Priority: 100, Reasons: []string{"link down"}},
			},
			Bits: control.Bits{AutoFailback: true}, PinnedTo: "hist-a", MovesLastHour: 1,
		}},
		Dropped: map[string]uint64{"unsealed": 40, "replayed": 2, "short": 0},
		Alarms:  []string{"hist-b is not fit for vip:front: link down"},
	}
}
