package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"vipd/vipd/control"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

var now = time.Date(2026, 11, 21, 21, 4, 40, 120e6, time.UTC)

func TestViewGolden(t *testing.T) {
	silent := pair(now)
	silent.Nodes[1].State = control.NodeSilent
	silent.Nodes[1].HeardAgeMS = new(float64(12_000))
	silent.Nodes[1].Clock = control.ClockStatus{OffsetMS: new(1200.0), ErrorBoundMS: new(0.3), Verdict: control.ClockBeyond}
	silent.Nodes[1].Paths = silent.Nodes[1].Paths[1:]
	silent.Tokens[0].Holders = []string{"hist-a", "hist-b"}
	silent.Tokens[0].Note = "2 holders (inherited)"
	start := control.Status{Node: "hist-a", Cluster: "plant1", Version: "1.0.0", ConfigDigest: "3f2a91c0", LeaseLayer: "valid_lft", Started: now, AsOf: now,
		Nodes: []control.NodeStatus{
			{Name: "hist-a", Self: true, State: control.NodeStarting, Priority: 200},
			{Name: "hist-b", State: control.NodeUnknown, Priority: 100, Clock: control.ClockStatus{Verdict: control.ClockUnknown}},
		},
		Tokens: []control.TokenStatus{{Name: "vip:front", State: "standby"}},
	}
	rogue := start
	rogue.Alarms = []string{"evil\x1b[2J\r\nname"}
	rotating := pair(now)
	rotating.Nodes[0].Keys, rotating.Nodes[1].Keys = []string{"dc9c16a9", "0badcafe"}, []string{"dc9c16a9"}
	alike := pair(now)
	alike.Nodes[0].Keys, alike.Nodes[1].Keys = []string{"dc9c16a9"}, []string{"dc9c16a9"}
	if newView(alike, now, false).String() != newView(pair(now), now, false).String() {
		t.Error("keys that are alike are shown")
	}
	tests := []struct {
		name string
		view view
	}{
		{"a key is staged", newView(rotating, now, false)},
		{"good", newView(pair(now), now, false)},
		{"coloured", newView(pair(now), now, true)},
		{"silent peer", newView(silent, now, false)},
		{"stuck loop", newView(pair(now), now.Add(5200*time.Millisecond), false)},
		{"just fresh", newView(pair(now), now.Add(1900*time.Millisecond), false)},
		{"clock set back", newView(pair(now), now.Add(-time.Hour), false)},
		{"just started", newView(start, now, false)},
		{"control characters", newView(rogue, now, false)},
	}
	var b bytes.Buffer
	for _, tt := range tests {
		b.WriteString("== " + tt.name + "\n" + tt.view.String() + "\n")
	}
	golden(t, "testdata/view.txt", b.Bytes())
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

func TestShort(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0.0ms": -time.Second, "0.3ms": 312 * time.Microsecond, "9.9ms": 9900 * time.Microsecond,
		"10ms": 10 * time.Millisecond, "999ms": 999 * time.Millisecond, "1.0s": time.Second, "59.9s": 59900 * time.Millisecond,
		"1m00s": time.Minute, "59m59s": time.Hour - time.Second, "1h00m": time.Hour, "23h59m": 24*time.Hour - time.Minute,
		"1d00h": 24 * time.Hour, "400d23h": 400*24*time.Hour + 23*time.Hour,
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	dir := shortDir(t)
	want := pair(time.Now().Round(0))
	serve(t, &fakeDaemon{status: want}, control.NewJournal(), dir)
	code, out, errOut := vipd(t.Context(), "status", "--json", "--run-dir", dir)
	var got control.Status
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 || errOut != "" {
		t.Fatalf("%d %q: %v", code, errOut, err)
	}
	if !got.AsOf.Equal(want.AsOf) || !reflect.DeepEqual(got.Tokens[0].Addresses, want.Tokens[0].Addresses) || got.Nodes[1].Name != "hist-b" {
		t.Errorf("got %+v", got)
	}
	code, out, errOut = vipd(t.Context(), "status", "--run-dir", dir)
	if code != 0 || errOut != "" || !strings.HasPrefix(out, "plant1  seen from hist-a  vipd 1.0.0") || strings.Contains(out, "\x1b") {
		t.Errorf("%d %q %q", code, errOut, out)
	}
}

// TestStatusOfNoDaemon: not running and not answering are told apart, and
// nothing that looks like a state is printed.
func TestStatusOfNoDaemon(t *testing.T) {
	dir := shortDir(t)
	socket := filepath.Join(dir, "vipd.sock")
	stopped := "not running: nobody answers at " + socket + "; start it with 'systemctl start vipd' or 'vipd run'\n"
	for args, want := range map[string]int{"status": 3, "status --json": 3, "events": 1, "unpin vip:front": 1, "restart": 1} {
		verb := strings.Fields(args)
		code, out, errOut := vipd(t.Context(), append(verb, "--run-dir", dir)...)
		if code != want || out != "" || errOut != "vipd "+verb[0]+": "+stopped {
			t.Errorf("%s: %d, %q, %q", args, code, out, errOut)
		}
	}
	frozen, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	wedged := "unknown: vipd does not answer at " + socket + "; is its process stopped? see 'systemctl status vipd'\n"
	for verb, want := range map[string]int{"status": 4, "events": 124} {
		code, out, errOut := vipd(t.Context(), verb, "--run-dir", dir)
		if code != want || out != "" || errOut != "vipd "+verb+": "+wedged {
			t.Errorf("%s: %d, %q, %q", verb, code, out, errOut)
		}
	}
}

// syncBuffer is what a verb that goes on writes to while the test reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// background runs a verb that goes on until stop, which returns its code.
func background(t *testing.T, args ...string) (out, errOut *syncBuffer, stop func() int) {
	t.Helper()
	out, errOut = new(syncBuffer), new(syncBuffer)
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- execute(ctx, args, out, errOut) }()
	return out, errOut, func() int {
		cancel()
		return <-code
	}
}

func within(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// TestWatch: drawn again and again, also over a daemon that goes away.
func TestWatch(t *testing.T) {
	dir := shortDir(t)
	end := serve(t, &fakeDaemon{status: pair(time.Now())}, control.NewJournal(), dir)
	out, errOut, stop := background(t, "status", "--watch", "--run-dir", dir)
	jsonOut, _, stopJSON := background(t, "status", "--watch", "--json", "--run-dir", dir)
	within(t, 20*time.Second, "two drawings", func() bool { return strings.Count(out.String(), "plant1") >= 2 })
	end()
	within(t, 20*time.Second, "the absence is drawn", func() bool { return strings.Contains(out.String(), "not running: nobody answers") })
	within(t, 20*time.Second, "the absence in JSON", func() bool { return strings.Contains(jsonOut.String(), `{"state":"unknown","error":"not running`) })
	if code := stop(); code != 0 || errOut.String() != "" {
		t.Errorf("%d %q", code, errOut)
	}
	if code := stopJSON(); code != 0 {
		t.Error(code)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("control sequences without a terminal: %q", out)
	}
	for line := range strings.Lines(jsonOut.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %q", line)
		}
	}
}

// TestWatchEndsWhileAsking: Ctrl-C during a question that gets no answer is an
// end like any other.
func TestWatchEndsWhileAsking(t *testing.T) {
	dir := shortDir(t)
	frozen, err := net.Listen("unix", filepath.Join(dir, "vipd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	out, errOut, stop := background(t, "status", "--watch", "--run-dir", dir)
	c, err := frozen.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if code := stop(); code != 0 || out.String()+errOut.String() != "" {
		t.Errorf("%d %q %q", code, out, errOut)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestOutputFails(t *testing.T) {
	dir := shortDir(t)
	j := control.NewJournal()
	j.Append(control.Event{Text: "begun"})
	serve(t, &fakeDaemon{status: pair(now)}, j, dir)
	for _, args := range []string{"status", "status --json", "status --watch", "events", "events -f", "version", "move vip:front --to hist-b"} {
		list := strings.Fields(args)
		if list[0] != "version" {
			list = append(list, "--run-dir", dir)
		}
		var e bytes.Buffer
		if code := execute(t.Context(), list, brokenPipe{}, &e); code != 1 || !strings.Contains(e.String(), "broken pipe") {
			t.Errorf("%s: %d %q", args, code, &e)
		}
	}
}
