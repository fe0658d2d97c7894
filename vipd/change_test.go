package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"vipd/seal"
	"vipd/vipd/control"
)

func TestChanges(t *testing.T) {
	dir := shortDir(t)
	tests := []struct {
		args  string
		err   error
		code  int
		out   string // standard output, or standard error when code is not 0
		asked any
	}{
		{"move vip:front --to hist-b", nil, 0, "vip:front moved from hist-a to hist-b in 7.5ms (epoch 4609)\n",
			control.MoveRequest{Token: "vip:front", To: "hist-b"}},
		{"move vip:front --to hist-b --dry-run", nil, 0, "dry run: vip:front would move from hist-a to hist-b; expected outage 8.0ms\n",
			control.MoveRequest{Token: "vip:front", To: "hist-b", DryRun: true}},
		{"move vip:front --to hist-a", nil, 0, "vip:front is at hist-a already\n",
			control.MoveRequest{Token: "vip:front", To: "hist-a"}},
		{"release vip:front", nil, 0, "vip:front follows policy again\n", control.ReleaseRequest{Token: "vip:front"}},
		{"unpin vip:front --dry-run", nil, 0, "dry run: vip:front follows policy again; expected outage 0.0ms\n",
			control.ReleaseRequest{Token: "vip:front", DryRun: true}},
		{"suspend", nil, 0, "hist-a is suspended\nvip:front moved from hist-a to hist-b in 12ms (epoch 4865)\n",
			control.SuspendRequest{Node: "hist-a"}},
		{"suspend hist-a --force --dry-run", nil, 0, "dry run: hist-a is suspended; expected outage 8.0ms\ndry run: vip:front would move from hist-a to hist-b; expected outage 8.0ms\n",
			control.SuspendRequest{Node: "hist-a", Force: true, DryRun: true}},
		{"resume hist-b", nil, 0, "hist-b is back\n", control.ResumeRequest{Node: "hist-b"}},
		{"restart --dry-run", nil, 0, "dry run: this daemon would execute itself anew; expected outage 0.0ms\n", control.RestartRequest{DryRun: true}},
		{"suspend", control.Errorf(control.CodeUnsafe, "no other node is fit for vip:front; --force does it all the same"), 107,
			"vipd suspend: no other node is fit for vip:front; --force does it all the same\n", control.SuspendRequest{Node: "hist-a"}},
		{"move vip:front --to hist-b", control.Errorf(control.CodeHeld, "another move is under way"), 75,
			"vipd move: another move is under way\n", control.MoveRequest{Token: "vip:front", To: "hist-b"}},
		{"move vip:front --to hist-b", control.Errorf(control.CodeTimeout, "hist-b did not answer"), 124,
			"vipd move: hist-b did not answer\n", control.MoveRequest{Token: "vip:front", To: "hist-b"}},
		{"resume", control.Errorf(control.CodePermission, "not you"), 77, "vipd resume: not you\n", control.ResumeRequest{Node: "hist-a"}},
		{"restart", control.Errorf(control.CodeFailed, "no file"), 1, "vipd restart: no file\n", control.RestartRequest{}},
	}
	f := &fakeDaemon{status: pair(now)}
	serve(t, f, control.NewJournal(), dir)
	for _, tt := range tests {
		f.err, f.asked = tt.err, nil
		code, out, errOut := vipd(t.Context(), append(strings.Fields(tt.args), "--run-dir", dir)...)
		said, silent := out, errOut
		if tt.code != 0 {
			said, silent = errOut, out
		}
		if code != tt.code || said != tt.out || silent != "" {
			t.Errorf("vipd %s: %d\ngot  %q\nwant %q\nbut also %q", tt.args, code, said, tt.out, silent)
		}
		if want := []any{tt.asked}; !reflect.DeepEqual(f.asked, want) {
			t.Errorf("vipd %s: asked %+v, want %+v", tt.args, f.asked, want)
		}
	}
}

func TestChangesAsJSON(t *testing.T) {
	dir := shortDir(t)
	serve(t, &fakeDaemon{status: pair(now)}, control.NewJournal(), dir)
	for args, want := range map[string]any{
		"move vip:front --to hist-b": &control.MoveResult{Token: "vip:front", From: "hist-a", To: "hist-b", Epoch: 4609, TookMS: 7.52, ExpectedOutageMS: 8},
		"unpin vip:front":            &control.Change{Text: "vip:front follows policy again", Moves: []control.MoveResult{}},
		"restart --dry-run":          &control.Change{Text: "this daemon would execute itself anew", Moves: []control.MoveResult{}, DryRun: true},
	} {
		code, out, errOut := vipd(t.Context(), append(strings.Fields(args), "--json", "--run-dir", dir)...)
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if err := json.Unmarshal([]byte(out), got); err != nil || code != 0 || errOut != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("vipd %s: %d %q %v\ngot  %+v\nwant %+v", args, code, errOut, err, got, want)
		}
	}
}

// TestRestart: the verb waits for another process and says who it is.
func TestRestart(t *testing.T) {
	dir := shortDir(t)
	f := &fakeDaemon{status: pair(now)}
	asked := make(chan struct{}, 1)
	f.restart = func() { asked <- struct{}{} }
	end := serve(t, f, control.NewJournal(), dir)
	out, errOut, stop := background(t, "restart", "--json", "--run-dir", dir)
	<-asked
	end()
	anew := &fakeDaemon{status: pair(now)}
	anew.status.Started, anew.status.Version = now, "1.0.1"
	serve(t, anew, control.NewJournal(), dir)
	within(t, 20*time.Second, "an answer", func() bool { return strings.HasSuffix(out.String(), "}\n") })
	code := stop()
	var r restarted
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil || code != 0 || r.Version != "1.0.1" || r.PID != 812 || !r.Started.Equal(now) || r.TookMS <= 0 {
		t.Errorf("%d %q %q %v", code, out, errOut, err)
	}
}

func TestKeyGenerate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	code, out, errOut := vipd(t.Context(), "key", "generate", "--out", file)
	if code != 0 || errOut != "" {
		t.Fatalf("%d %q", code, errOut)
	}
	keys, err := seal.ReadKeyFile(file)
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	if want := "key " + keys[0].ID().String() + " written to " + file + "; give every node of the cluster the same file\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	before, _ := os.ReadFile(file)
	code, out, errOut = vipd(t.Context(), "key", "generate", "--out", file)
	after, _ := os.ReadFile(file)
	if code != 1 || out != "" || !strings.Contains(errOut, "exists and is not overwritten") || !bytes.Equal(before, after) {
		t.Errorf("a second time: %d %q %q", code, out, errOut)
	}
	if code, _, errOut := vipd(t.Context(), "key", "generate", "--out", file+"/in/it"); code != 1 || !strings.Contains(errOut, "make the key file") {
		t.Errorf("no such folder: %d %q", code, errOut)
	}
	if code, _, errOut := vipd(t.Context(), "key", "generate", "--out="); code != 1 || errOut == "" {
		t.Errorf("empty name: %d %q", code, errOut)
	}

	_, one, _ := vipd(t.Context(), "key", "generate")
	_, two, _ := vipd(t.Context(), "key", "generate")
	if _, err := seal.ParseKey([]byte(one)); err != nil || one == two {
		t.Errorf("%v: %q, %q", err, one, two)
	}
	_, text, _ := vipd(t.Context(), "key", "generate", "--json")
	var g generated
	if err := json.Unmarshal([]byte(text), &g); err != nil {
		t.Fatal(err)
	}
	if k, err := seal.ParseKey([]byte(g.Key)); err != nil || k.ID().String() != g.ID || g.File != "" {
		t.Errorf("%v: %+v", err, g)
	}
}

func TestVersion(t *testing.T) {
	_, text, _ := vipd(t.Context(), "version")
	if ok, _ := regexp.MatchString(`^vipd \S+, wire version \d+, go1\.\d+\S*\n$`, text); !ok {
		t.Errorf("got %q", text)
	}
	_, text, _ = vipd(t.Context(), "version", "--json")
	var v versions
	if err := json.Unmarshal([]byte(text), &v); err != nil || v.Version != control.Version() || v.Wire == 0 || v.Go == "" {
		t.Errorf("%v: %+v", err, v)
	}
}

func TestCompletion(t *testing.T) {
	dir := shortDir(t)
	serve(t, &fakeDaemon{status: pair(now)}, control.NewJournal(), dir)
	for args, want := range map[string]string{
		"move --run-dir DIR ":                  "vip:front\n:4\n",
		"move --run-dir DIR vip:front --to ":   "hist-a\nhist-b\n:4\n",
		"suspend --run-dir DIR ":               "hist-a\nhist-b\n:4\n",
		"suspend --run-dir /nowhere/vipd/run ": ":4\n",
	} {
		list := append([]string{"__complete"}, strings.Split(strings.ReplaceAll(args, "DIR", dir), " ")...)
		if _, out, _ := vipd(t.Context(), list...); out != want {
			t.Errorf("%s: got %q, want %q", args, out, want)
		}
	}
	if code, out, _ := vipd(t.Context(), "completion", "bash"); code != 0 || !strings.Contains(out, "__start_vipd") {
		t.Errorf("code %d, %.80q", code, out)
	}
}
