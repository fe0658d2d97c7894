package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"vipd/vipd/control"
)

// withGroups is the pair with a data server on both nodes and a historian on
// the other one.
func withGroups(taken time.Time) control.Status {
	s := pair(taken)
	fit := []control.Eligibility{{Node: "hist-a", Fit: true, Priority: 200}, {Node: "hist-b", Fit: true, Priority: 300}}
	s.Tokens = append([]control.TokenStatus{
		{Name: "group:dataserver", Kind: "group", State: "active", Holder: "hist-a", Holders: []string{"hist-a", "hist-b"}, Epoch: 4097,
			SinceMS: new(76 * 3600e3), Eligible: fit, Bits: control.Bits{AllowMultiple: true}},
		{Name: "group:historian", Kind: "group", State: "dropping", Holder: "hist-a", Holders: []string{"hist-a"}, Epoch: 5121,
			SinceMS: new(60e3), Eligible: fit, Bits: control.Bits{AutoFailback: true, DisableInheritance: true}},
	}, s.Tokens...)
	s.Groups = []control.GroupStatus{
		{Name: "dataserver", Kind: "dataserver", Token: "group:dataserver", Run: "all", State: control.GroupRunning, Epoch: 4097,
			Text: "mosquitto.service: exited with status 1", Restarts: 1, Contained: "systemd",
			Units: []control.UnitStatus{{Name: "mosquitto.service", State: control.GroupRunning}},
			Checks: []control.CheckStatus{
				{Name: "tcp://127.0.0.1:1883", Healthy: true, InARow: 212, Text: "connected"},
				{Name: "exec:/usr/bin/true", InARow: 1, Text: "exit status 1"},
			}},
		{Name: "historian", Kind: "historian", Token: "group:historian", Run: "one", State: control.GroupBlocked, Epoch: 5121, Contained: "cgroup lease",
			Text: "exec:/opt/writer: process 812 does not end",
			Units: []control.UnitStatus{
				{Name: "exec:/opt/writer", State: control.GroupBlocked, Text: "process 812 does not end"},
				{Name: "pg.service", State: control.GroupStopped},
			}},
	}
	return s
}

func TestGroupViews(t *testing.T) {
	s := withGroups(now)
	odd := control.GroupStatus{Name: "odd", Token: "group:odd", State: control.GroupStarting, Text: "\x1b[2J",
		Checks: []control.CheckStatus{{Name: "unit:odd.service"}}}
	views := []struct{ name, text string }{
		{"status", newView(s, now, false).String()},
		{"data server", newView(s, now, false).group(s.Groups[0])},
		{"data server, coloured", newView(s, now, true).group(s.Groups[0])},
		{"historian, stuck loop", newView(s, now.Add(5*time.Second), false).group(s.Groups[1])},
		{"a group without a token", newView(s, now, false).group(odd)},
	}
	var b bytes.Buffer
	for _, v := range views {
		b.WriteString("== " + v.name + "\n" + v.text + "\n")
	}
	golden(t, "testdata/groups.txt", b.Bytes())
}

func TestGroupOrders(t *testing.T) {
	order := func(verb, node string, both bool) control.GroupOrder {
		return control.GroupOrder{Name: "historian", Verb: verb, Node: node, Both: both}
	}
	dry := func(o control.GroupOrder) control.GroupOrder { o.DryRun = true; return o }
	dir := shortDir(t)
	f := &fakeDaemon{status: withGroups(now)}
	serve(t, f, control.NewJournal(), dir)
	for _, tt := range []struct {
		args  string
		err   error
		code  int
		out   string // standard output, or standard error when code is not 0
		asked any
	}{
		{"start historian", nil, 0, "start of historian\n", order("start", "", false)},
		{"start historian --node hist-b", nil, 0, "start of historian\n", order("start", "hist-b", false)},
		{"stop historian", nil, 0, "stop of historian\n", order("stop", "", false)},
		{"stop group:historian --node hist-a", nil, 0, "stop of historian\n", order("stop", "hist-a", false)},
		{"restart historian", nil, 0, "restart of historian\n", order("restart", "", false)},
		{"restart historian --both", nil, 0, "restart of historian\n", order("restart", "", true)},
		{"restart historian --node hist-b", nil, 0, "restart of historian\n", order("restart", "hist-b", false)},
		{"start historian --dry-run", nil, 0, "dry run: start of historian\n", dry(order("start", "", false))},
		{"stop historian --node hist-a --dry-run", nil, 0, "dry run: stop of historian\n" +
			"dry run: vip:front would move from hist-a to hist-b; expected outage 3.0ms\n" +
			"dry run: group:historian would move from hist-a to hist-b; it is away while its units stop and start\n", dry(order("stop", "hist-a", false))},
		{"restart historian --both --dry-run", nil, 0, "dry run: restart of historian\n", dry(order("restart", "", true))},
		{"stop historian --dry-run", control.Errorf(control.CodeFailed, "hist-b: the node is not heard"), 1, "vipd group stop: hist-b: the node is not heard\n", dry(order("stop", "", false))},
		{"move historian --to hist-b", nil, 0, "group:historian moved from hist-a to hist-b in 7.5ms (epoch 4609)\n",
			control.MoveRequest{Token: "group:historian", To: "hist-b"}},
		{"move group:historian --to hist-b --dry-run", nil, 0, "dry run: group:historian would move from hist-a to hist-b; expected outage 8.0ms\n",
			control.MoveRequest{Token: "group:historian", To: "hist-b", DryRun: true}},
		{"stop historian", control.Errorf(control.CodeFailed, "process 812 does not end"), 1, "vipd group stop: process 812 does not end\n", order("stop", "", false)},
		{"restart historian", control.Errorf(control.CodeTimeout, "hist-b did not answer"), 124, "vipd group restart: hist-b did not answer\n", order("restart", "", false)},
	} {
		f.err, f.asked = tt.err, nil
		code, out, errOut := vipd(t.Context(), append([]string{"group"}, strings.Fields(tt.args+" --run-dir "+dir)...)...)
		said, silent := out, errOut
		if tt.code != 0 {
			said, silent = errOut, out
		}
		if code != tt.code || said != tt.out || silent != "" {
			t.Errorf("vipd group %s: %d\ngot  %q\nwant %q\nbut also %q", tt.args, code, said, tt.out, silent)
		}
		if want := []any{tt.asked}; !reflect.DeepEqual(f.asked, want) {
			t.Errorf("vipd group %s: asked %+v, want %+v", tt.args, f.asked, want)
		}
	}
}

// TestGroupsAsJSON: the list and one group are what status has, and an order
// answers like every other change.
func TestGroupsAsJSON(t *testing.T) {
	dir := shortDir(t)
	s := withGroups(now)
	serve(t, &fakeDaemon{status: s}, control.NewJournal(), dir)
	s.Groups[1].Checks = []control.CheckStatus{}
	for args, want := range map[string]any{
		"list":           &s.Groups,
		"show historian": &s.Groups[1],
		"stop historian": &control.Change{Text: "stop of historian", Moves: []control.MoveResult{}},
	} {
		code, out, errOut := vipd(t.Context(), append([]string{"group"}, strings.Fields(args+" --json --run-dir "+dir)...)...)
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface()
		if err := json.Unmarshal([]byte(out), got); err != nil || code != 0 || errOut != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("vipd group %s: %d %q %v\ngot  %+v\nwant %+v", args, code, errOut, err, got, want)
		}
	}
}

func TestGroupLooks(t *testing.T) {
	dir, none, nobody := shortDir(t), shortDir(t), shortDir(t)
	serve(t, &fakeDaemon{status: withGroups(now)}, control.NewJournal(), dir)
	serve(t, &fakeDaemon{status: pair(now)}, control.NewJournal(), none)
	for _, tt := range []struct {
		args, dir string
		code      int
		want      string // a part of what is said
	}{
		{"list", dir, 0, "GROUP       KIND        RUN  HOLDER"},
		{"show historian", dir, 0, "process 812 does not end"},
		{"show group:historian", dir, 0, "process 812 does not end"},
		{"list", none, 0, "no service groups are configured\n"},
		{"list --json", none, 0, "[]\n"},
		{"show historain", dir, 2, "vipd group show: unknown group \"historain\"; did you mean \"historian\"?\n"},
		{"show historian", none, 2, "vipd group show: unknown group \"historian\"\n"},
		{"list", nobody, 1, "vipd group list: not running: nobody answers at "},
		{"show historian", nobody, 1, "vipd group show: not running: nobody answers at "},
		{"stop historian", nobody, 1, "vipd group stop: not running: nobody answers at "},
	} {
		code, out, errOut := vipd(t.Context(), append([]string{"group"}, strings.Fields(tt.args+" --run-dir "+tt.dir)...)...)
		if code != tt.code || !strings.Contains(out+errOut, tt.want) || (code == 0) != (errOut == "") || (code == 0) == (out == "") {
			t.Errorf("vipd group %s: %d, %q, %q", tt.args, code, out, errOut)
		}
	}
}

// TestGroupMisuse: a wrong use says what is right, and orders nothing.
func TestGroupMisuse(t *testing.T) {
	dir := shortDir(t)
	f := &fakeDaemon{status: withGroups(now)}
	serve(t, f, control.NewJournal(), dir)
	for args, want := range map[string]string{
		"":                            "vipd group: say what to do: list, move, restart, show, start, stop\nusage: vipd group VERB [flags]; see 'vipd help group'\n",
		"stat historian":              "vipd group: unknown verb \"stat\"; did you mean \"start\"?\nusage: vipd group VERB [flags]; see 'vipd help group'\n",
		"list historian":              "vipd group list: takes no argument, but got \"historian\"\nusage: vipd group list [flags]; see 'vipd help group list'\n",
		"show":                        "vipd group show: name a group, such as historian\nusage: vipd group show NAME [flags]; see 'vipd help group show'\n",
		"stop":                        "vipd group stop: name a group, such as historian\nusage: vipd group stop NAME [flags]; see 'vipd help group stop'\n",
		"start a b":                   "vipd group start: takes one group, but got \"b\" too\nusage: vipd group start NAME [flags]; see 'vipd help group start'\n",
		"stop a --both":               "vipd group stop: unknown flag: --both\nusage: vipd group stop NAME [flags]; see 'vipd help group stop'\n",
		"stop a --nod b":              "vipd group stop: unknown flag: --nod; did you mean \"--node\"?\nusage: vipd group stop NAME [flags]; see 'vipd help group stop'\n",
		"restart a --both --node b":   "vipd group restart: --both and --node contradict each other\nusage: vipd group restart NAME [flags]; see 'vipd help group restart'\n",
		"move historian":              "vipd group move: say where to with --to NODE\nusage: vipd group move NAME --to NODE [flags]; see 'vipd help group move'\n",
		"stop histrian --run-dir DIR": "vipd group stop: unknown group \"histrian\"; did you mean \"historian\"? the groups are: dataserver, historian\n",
		"stop historian --run-dir DIR --node hist-c": "vipd group stop: unknown node \"hist-c\"; did you mean \"hist-a\"? the nodes are: hist-a, hist-b\n",
	} {
		list := append([]string{"group"}, strings.Fields(strings.ReplaceAll(args, "DIR", dir))...)
		if code, out, errOut := vipd(t.Context(), list...); code != 2 || errOut != want || out != "" {
			t.Errorf("vipd group %s: %d\ngot  %q, stdout %q\nwant %q", args, code, errOut, out, want)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("the daemon was asked %v", f.asked)
	}
}

// TestGroupHelp: every verb of a group explains itself, with an example.
func TestGroupHelp(t *testing.T) {
	for _, c := range groupCommand().Commands() {
		code, out, errOut := vipd(t.Context(), "help", "group", c.Name())
		if code != 0 || errOut != "" || !strings.Contains(out, "Usage:\n  vipd group "+c.Name()) {
			t.Errorf("vipd help group %s: %d, %q\n%s", c.Name(), code, errOut, out)
		}
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("vipd help group %s is incomplete", c.Name())
		}
	}
	dir := shortDir(t)
	serve(t, &fakeDaemon{status: withGroups(now)}, control.NewJournal(), dir)
	for args, want := range map[string]string{
		"stop ":                "dataserver\nhistorian\n:4\n",
		"show ":                "dataserver\nhistorian\n:4\n",
		"restart a --node ":    "hist-a\nhist-b\n:4\n",
		"move historian --to ": "hist-a\nhist-b\n:4\n",
	} {
		verb, rest, _ := strings.Cut(args, " ")
		list := append([]string{"__complete", "group", verb, "--run-dir", dir}, strings.Split(rest, " ")...)
		if _, out, _ := vipd(t.Context(), list...); out != want {
			t.Errorf("%s: got %q, want %q", args, out, want)
		}
	}
}
