package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestStatusGolden(t *testing.T) {
	dir, _ := serve(t, &fakeDaemon{status: pair()})
	got, err := raw(dir, "GET /v1/status HTTP/1.1\r\nHost: vipd\r\nConnection: close\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, []byte(got.body), "", "  "); err != nil {
		t.Fatalf("%v in %q", err, got.body)
	}
	const golden = "testdata/status.json"
	if *rewrite {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
}

// TestStatusIsDocumented keeps docs/status.md and the types together: every
// field of the JSON has its line.
func TestStatusIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	types := []any{Status{}, NodeStatus{}, PathStatus{}, ClockStatus{}, TokenStatus{}, Eligibility{}, Bits{}, GroupStatus{}, UnitStatus{}, CheckStatus{}}
	for _, v := range types {
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if !bytes.Contains(doc, []byte("\n| `"+name+"` |")) {
				t.Errorf("docs/status.md has no line for %T.%s (%s)", v, f.Name, name)
			}
		}
	}
}

func TestStatusHasNoNullLists(t *testing.T) {
	s := Status{Nodes: []NodeStatus{{}}, Tokens: []TokenStatus{{Eligible: []Eligibility{{}}}}, Groups: []GroupStatus{{}}}
	for _, s := range []Status{s, {}} {
		b, err := json.Marshal(s.filled())
		if err != nil {
			t.Fatal(err)
		}
		var back any
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		for _, list := range []string{"nodes", "tokens", "alarms", "paths", "holders", "addresses", "eligible", "reasons", "dropped", "groups", "units", "checks"} {
			if bytes.Contains(b, fmt.Appendf(nil, "%q:null", list)) {
				t.Errorf("%s is null in %s", list, b)
			}
		}
	}
}

func TestCalls(t *testing.T) {
	d := &fakeDaemon{status: pair()}
	dir, _ := serve(t, d)
	c, ctx := Dial(dir), t.Context()

	s, err := c.Status(ctx)
	if want := pair().filled(); err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("Status: %v\ngot  %+v\nwant %+v", err, s, want)
	}
	m, err := c.Move(ctx, MoveRequest{Token: "vip:front", To: "hist-b", DryRun: true})
	if want := (MoveResult{Token: "vip:front", From: "hist-a", To: "hist-b", Epoch: 0x1201, TookMS: 7.5, DryRun: true}); err != nil || m != want {
		t.Errorf("Move: %+v, %v", m, err)
	}
	changes := []func() (Change, error){
		func() (Change, error) { return c.Release(ctx, ReleaseRequest{Token: "vip:front"}) },
		func() (Change, error) { return c.Suspend(ctx, SuspendRequest{Force: true}) },
		func() (Change, error) { return c.Resume(ctx, ResumeRequest{Node: "hist-b"}) },
		func() (Change, error) { return c.Reload(ctx, ReloadRequest{KeysOnly: true}) },
		func() (Change, error) { return c.Restart(ctx, RestartRequest{DryRun: true}) },
	}
	var texts []string
	for _, do := range changes {
		a, err := do()
		if err != nil || a.Moves == nil {
			t.Errorf("%+v, %v", a, err)
		}
		texts = append(texts, a.Text)
	}
	if got, want := strings.Join(texts, "; "), "vip:front follows policy again; hist-a is suspended; hist-b is back; taken over; restarting"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	orders := []any{
		GroupOrder{Name: "historian", Verb: GroupStop},
		GroupOrder{Name: "historian", Verb: GroupStart, Node: "hist-b", DryRun: true},
		GroupOrder{Name: "dataserver", Verb: GroupRestart, Both: true},
	}
	for _, o := range orders {
		if a, err := c.Group(ctx, o.(GroupOrder)); err != nil || a.Text == "" || a.Moves == nil {
			t.Errorf("%+v: %+v, %v", o, a, err)
		}
	}
	want := []any{
		MoveRequest{Token: "vip:front", To: "hist-b", DryRun: true},
		ReleaseRequest{Token: "vip:front"},
		SuspendRequest{Node: "hist-a", Force: true}, // "" has become this node
		ResumeRequest{Node: "hist-b"},
		ReloadRequest{KeysOnly: true},
		RestartRequest{DryRun: true},
	}
	want = append(want, orders...)
	if got := d.requests(); !reflect.DeepEqual(got, want) {
		t.Errorf("the daemon was asked %+v, want %+v", got, want)
	}
}

// TestWrongRequests: each is refused with one clear message, nothing reaches
// the daemon, and the server goes on.
func TestWrongRequests(t *testing.T) {
	d := &fakeDaemon{status: pair()}
	dir, _ := serve(t, d)
	tests := []struct {
		name, call, body string
		status           int
		message          string
	}{
		{"unknown path", "GET /v1/nothing", "", 400, `no such call: GET "/v1/nothing"`},
		{"root", "GET /", "", 400, `no such call: GET "/"`},
		{"wrong method", "GET /v1/move", "", 400, `no such call: GET "/v1/move"`},
		{"post to status", "POST /v1/status", "{}", 400, `no such call: POST "/v1/status"`},
		{"status with parameter", "GET /v1/status?x=1", "", 400, `unknown parameter "x"; there are none`},
		{"no body", "POST /v1/move", "", 400, "bad request: EOF"},
		{"bad JSON", "POST /v1/move", "{token}", 400, "bad request: invalid character 't' looking for beginning of object key string"},
		{"half a value", "POST /v1/move", `{"token":"vip:front"`, 400, "bad request: unexpected EOF"},
		{"two values", "POST /v1/move", `{"token":"vip:front"}{}`, 400, "bad request: more than one value"},
		{"unknown key", "POST /v1/move", `{"tokn":"vip:front"}`, 400, `bad request: json: unknown field "tokn"`},
		{"wrong type", "POST /v1/move", `{"token":1}`, 400, "bad request: json: cannot unmarshal number into Go struct field MoveRequest.token of type string"},
		{"too large", "POST /v1/move", `{"token":"` + strings.Repeat("x", maxRequest) + `"}`, 400, "bad request: more than 65536 bytes"},
		{"no token", "POST /v1/move", `{"to":"hist-b"}`, 400, "no token named; the tokens are: vip:front"},
		{"unknown token", "POST /v1/move", `{"token":"vip:back","to":"hist-b"}`, 400, `unknown token "vip:back"; the tokens are: vip:front`},
		{"near token", "POST /v1/release", `{"token":"vip:frnt"}`, 400, `unknown token "vip:frnt"; did you mean "vip:front"? the tokens are: vip:front`},
		{"token without kind", "POST /v1/release", `{"token":"front"}`, 400, `unknown token "front"; did you mean "vip:front"? the tokens are: vip:front`},
		{"no node", "POST /v1/move", `{"token":"vip:front"}`, 400, "no node named; the nodes are: hist-a, hist-b"},
		{"near node", "POST /v1/move", `{"token":"vip:front","to":"hist-c"}`, 400, `unknown node "hist-c"; did you mean "hist-a"? the nodes are: hist-a, hist-b`},
		{"suspend unknown node", "POST /v1/suspend", `{"node":"web"}`, 400, `unknown node "web"; the nodes are: hist-a, hist-b`},
		{"resume unknown node", "POST /v1/resume", `{"node":"web"}`, 400, `unknown node "web"; the nodes are: hist-a, hist-b`},
		{"no group", "POST /v1/group", `{"verb":"stop"}`, 400, "no group named; the groups are: dataserver, historian"},
		{"near group", "POST /v1/group", `{"name":"historan","verb":"stop"}`, 400, `unknown group "historan"; did you mean "historian"? the groups are: dataserver, historian`},
		{"no verb", "POST /v1/group", `{"name":"historian"}`, 400, "no verb named; the verbs are: start, stop, restart"},
		{"unknown verb", "POST /v1/group", `{"name":"historian","verb":"kill"}`, 400, `unknown verb "kill"; the verbs are: start, stop, restart`},
		{"group on unknown node", "POST /v1/group", `{"name":"historian","verb":"stop","node":"hist-c"}`, 400, `unknown node "hist-c"; did you mean "hist-a"? the nodes are: hist-a, hist-b`},
		{"stop both", "POST /v1/group", `{"name":"historian","verb":"stop","both":true}`, 400, "both is for restart alone; stop is for every node heard already"},
		{"both on one node", "POST /v1/group", `{"name":"historian","verb":"restart","node":"hist-a","both":true}`, 400, "both and the node hist-a contradict each other"},
		{"unknown parameter", "GET /v1/events?sinse=1", "", 400, `unknown parameter "sinse"; did you mean "since"? the parameters are: since, limit, follow`},
		{"since is a word", "GET /v1/events?since=now", "", 400, `bad request: since="now" is not a whole number`},
		{"limit is negative", "GET /v1/events?limit=-1", "", 400, `bad request: limit="-1" is not a whole number`},
		{"follow is a word", "GET /v1/events?follow=maybe", "", 400, `bad request: follow="maybe" is neither true nor false`},
		{"broken query", "GET /v1/events?since=%zz", "", 400, `bad request: invalid URL escape "%zz"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := raw(dir, fmt.Sprintf("%s HTTP/1.1\r\nHost: vipd\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", tt.call, len(tt.body), tt.body))
			if err != nil {
				t.Fatal(err)
			}
			var e Error
			if err := json.Unmarshal([]byte(got.body), &e); err != nil {
				t.Fatalf("%v in %q", err, got.body)
			}
			if got.status != tt.status || e.Code != CodeUsage || e.Message != tt.message {
				t.Errorf("got  %d %d %q\nwant %d %d %q", got.status, e.Code, e.Message, tt.status, CodeUsage, tt.message)
			}
		})
	}
	if asked := d.requests(); len(asked) != 0 {
		t.Errorf("the daemon was asked %v", asked)
	}
	if _, err := Dial(dir).Status(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestNotHTTP: what isn't HTTP at all ends in an answer or a closed
// connection, and the server goes on.
func TestNotHTTP(t *testing.T) {
	dir, _ := serve(t, &fakeDaemon{status: pair()})
	for _, text := range []string{
		"\x00\x01\x02\r\n\r\n",
		"GET /v1/status HTTP/9.9\r\n\r\n",
		"GET /v1/status HTTP/1.1\r\n\r\n", // no Host
		"GET /v1/status HTTP/1.1\r\nHost: vipd\r\nX: " + strings.Repeat("x", 2*maxHeader) + "\r\n\r\n",
		"POST /v1/move HTTP/1.1\r\nHost: vipd\r\nContent-Length: -1\r\n\r\n",
	} {
		got, err := raw(dir, text)
		if err == nil && got.status < 400 {
			t.Errorf("%.40q: status %d", text, got.status)
		}
	}
	if _, err := Dial(dir).Status(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestErrorsTravel(t *testing.T) {
	tests := []struct {
		err  error
		want Error
	}{
		{Errorf(CodeUnsafe, "hist-b is not fit"), Error{CodeUnsafe, "hist-b is not fit"}},
		{fmt.Errorf("suspend: %w", Errorf(CodeHeld, "a move is under way")), Error{CodeHeld, "a move is under way"}},
		{errors.New("disk full"), Error{CodeFailed, "disk full"}},
		{context.DeadlineExceeded, Error{CodeTimeout, "not done within 30s; `vipd status` shows how far it came"}},
		{context.Canceled, Error{CodeFailed, "given up: the daemon is stopping or the caller has gone"}},
	}
	for _, tt := range tests {
		dir, _ := serve(t, &fakeDaemon{status: pair(), err: tt.err})
		_, err := Dial(dir).Suspend(t.Context(), SuspendRequest{})
		var e *Error
		if !errors.As(err, &e) || *e != tt.want {
			t.Errorf("%v: got %#v, want %+v", tt.err, err, tt.want)
		}
	}
}

type answered struct {
	status int
	body   string
}

// raw sends text as it stands and reads the answer.
func raw(dir, text string) (answered, error) {
	c, err := net.Dial("unix", SocketPath(dir))
	if err != nil {
		return answered{}, err
	}
	defer c.Close()
	go io.WriteString(c, text) // the server may close before all is sent
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return answered{}, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	return answered{r.StatusCode, string(b)}, err
}
