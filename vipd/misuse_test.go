package main

import (
	"strings"
	"testing"

	"vipd/vipd/control"
)

// TestMisuse: each wrong use ends with code 2 (or its own), prints nothing on
// standard output, and one clear line with a hint on standard error.
func TestMisuse(t *testing.T) {
	dir := shortDir(t)
	f := &fakeDaemon{status: pair(now)}
	serve(t, f, control.NewJournal(), dir)
	const (
		hint    = "see 'vipd help'\n"
		run     = "usage: vipd run [flags]; see 'vipd help run'\n"
		move    = "usage: vipd move TOKEN --to NODE [flags]; see 'vipd help move'\n"
		release = "usage: vipd unpin TOKEN [flags]; see 'vipd help unpin'\n"
		suspend = "usage: vipd suspend [NODE] [flags]; see 'vipd help suspend'\n"
		status  = "usage: vipd status [flags]; see 'vipd help status'\n"
		events  = "usage: vipd events [flags]; see 'vipd help events'\n"
		key     = "usage: vipd key VERB [flags]; see 'vipd help key'\n"
		makeKey = "usage: vipd key generate [--out FILE] [flags]; see 'vipd help key generate'\n"
	)
	tests := []struct {
		args   string
		code   int
		stderr string
	}{
		{"", 2, "vipd: no verb given\n" + hint},
		{"statsu", 2, "vipd: unknown verb \"statsu\"; did you mean \"status\"?\n" + hint},
		{"statsu --json", 2, "vipd: unknown verb \"statsu\"; did you mean \"status\"?\n" + hint},
		{"failover", 2, "vipd: unknown verb \"failover\"\n" + hint},
		{"MOVE vip:front", 2, "vipd: unknown verb \"MOVE\"; did you mean \"move\"?\n" + hint},
		{"help mvoe", 2, "vipd: unknown verb \"mvoe\"; did you mean \"move\"?\n" + hint},
		{"help status json", 2, "vipd: unknown verb \"status json\"\n" + hint},
		{"--jsn", 2, "vipd: unknown flag: --jsn; did you mean \"--json\"?\n" + hint},
		{"-x", 2, "vipd: unknown shorthand flag: 'x' in -x\n" + hint},
		{"-t extra", 2, "vipd: unknown verb \"extra\"\n" + hint},
		{"-t --config", 2, "vipd: flag needs an argument: --config\n" + hint},
		{"run now", 2, "vipd run: takes no argument, but got \"now\"\n" + run},
		{"run --nod a", 2, "vipd run: unknown flag: --nod; did you mean \"--node\"?\n" + run},
		{"run --state-dir", 2, "vipd run: flag needs an argument: --state-dir\n" + run},
		{"check extra", 2, "vipd check: takes no argument, but got \"extra\"\nusage: vipd check [--config FILE] [flags]; see 'vipd help check'\n"},
		{"check --conf x", 2, "vipd check: unknown flag: --conf; did you mean \"--config\"?\nusage: vipd check [--config FILE] [flags]; see 'vipd help check'\n"},
		{"status now", 2, "vipd status: takes no argument, but got \"now\"\n" + status},
		{"status --wach", 2, "vipd status: unknown flag: --wach; did you mean \"--watch\"?\n" + status},
		{"status --json=maybe", 2, "vipd status: invalid argument \"maybe\" for \"--json\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax\n" + status},
		{"status --run-dir", 2, "vipd status: flag needs an argument: --run-dir\n" + status},
		{"events -n many", 2, "vipd events: invalid argument \"many\" for \"-n, --last\" flag: strconv.ParseInt: parsing \"many\": invalid syntax\n" + events},
		{"events -n -1", 2, "vipd events: --last -1: not a number of events\n" + events},
		{"events vip:front", 2, "vipd events: takes no argument, but got \"vip:front\"\n" + events},
		{"move", 2, "vipd move: name a token, such as vip:front\n" + move},
		{"move vip:front", 2, "vipd move: say where to with --to NODE\n" + move},
		{"move vip:front hist-b", 2, "vipd move: takes one token, but got \"hist-b\" too\n" + move},
		{"move vip:front --to", 2, "vipd move: flag needs an argument: --to\n" + move},
		{"move vip:front --too hist-b", 2, "vipd move: unknown flag: --too; did you mean \"--to\"?\n" + move},
		{"move front --to hist-b --run-dir DIR", 2, "vipd move: unknown token \"front\"; did you mean \"vip:front\"? the tokens are: vip:front\n"},
		{"move vip:front --to hist-c --run-dir DIR", 2, "vipd move: unknown node \"hist-c\"; did you mean \"hist-a\"? the nodes are: hist-a, hist-b\n"},
		{"unpin", 2, "vipd unpin: name a token, such as vip:front\n" + release},
		{"unpin vip:front vip:back", 2, "vipd unpin: takes one token, but got \"vip:back\" too\n" + release},
		{"unpin vip:back --run-dir DIR", 2, "vipd unpin: unknown token \"vip:back\"; the tokens are: vip:front\n"},
		{"suspend a b", 2, "vipd suspend: takes one node, but got \"b\" too\n" + suspend},
		{"suspend --frce", 2, "vipd suspend: unknown flag: --frce; did you mean \"--force\"?\n" + suspend},
		{"suspend hist-x --run-dir DIR", 2, "vipd suspend: unknown node \"hist-x\"; did you mean \"hist-a\"? the nodes are: hist-a, hist-b\n"},
		{"resume a b", 2, "vipd resume: takes one node, but got \"b\" too\nusage: vipd resume [NODE] [flags]; see 'vipd help resume'\n"},
		{"restart now", 2, "vipd restart: takes no argument, but got \"now\"\nusage: vipd restart [flags]; see 'vipd help restart'\n"},
		{"key", 2, "vipd key: say what to do: activate, generate, retire, stage\n" + key},
		{"key gnerate", 2, "vipd key: unknown verb \"gnerate\"; did you mean \"generate\"?\n" + key},
		{"key generate file", 2, "vipd key generate: takes no argument, but got \"file\"\n" + makeKey},
		{"key generate --out", 2, "vipd key generate: flag needs an argument: --out\n" + makeKey},
		{"version 2", 2, "vipd version: takes no argument, but got \"2\"\nusage: vipd version [flags]; see 'vipd help version'\n"},
		{"demo --scenario move", 2, "vipd demo: the demonstration is a program of the source tree: go run ./testlab/demo\n"},
		{"completion bsh", 2, "vipd completion: unknown verb \"bsh\"; did you mean \"bash\"?\nusage: vipd completion [flags]; see 'vipd help completion'\n"},
	}
	for _, tt := range tests {
		args := strings.Fields(strings.ReplaceAll(tt.args, "DIR", dir))
		code, out, errOut := vipd(t.Context(), args...)
		if code != tt.code || errOut != tt.stderr || out != "" {
			t.Errorf("vipd %s\ngot  %d, stdout %q, stderr %q\nwant %d, stderr %q", tt.args, code, out, errOut, tt.code, tt.stderr)
		}
	}
	if len(f.asked) != 0 {
		t.Errorf("the daemon was asked %v", f.asked)
	}
}

// TestHelp: every verb explains itself, and shows how with an example.
func TestHelp(t *testing.T) {
	for _, c := range rootCommand().Commands() {
		if c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		code, out, errOut := vipd(t.Context(), "help", c.Name())
		if code != 0 || errOut != "" || !strings.Contains(out, "Usage:\n  vipd "+c.Name()) {
			t.Errorf("vipd help %s: %d, %q\n%s", c.Name(), code, errOut, out)
		}
		if _, flag, _ := vipd(t.Context(), c.Name(), "--help"); flag != out {
			t.Errorf("vipd %s --help differs from vipd help %s:\n%s", c.Name(), c.Name(), flag)
		}
		if c.Short == "" || !c.HasSubCommands() && (c.Long == "" || c.Example == "") {
			t.Errorf("vipd help %s is incomplete", c.Name())
		}
	}
}
