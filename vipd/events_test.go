package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"vipd/vipd/control"
)

func TestEventLine(t *testing.T) {
	tests := []struct {
		event control.Event
		want  string
	}{
		{control.Event{Kind: "token", Token: "vip:front", Node: "hist-b", From: "standby", To: "active", Cause: control.PeerSilent, Text: "taken by hist-b"},
			"2026-11-21 21:04:40.120  vip:front     taken by hist-b  (peer-silent)"},
		{control.Event{Kind: "node", Node: "hist-b", From: "up", To: "silent", Cause: control.PeerSilent},
			"2026-11-21 21:04:40.120  hist-b        up -> silent  (peer-silent)"},
		{control.Event{Kind: "token", Token: "vip:front", Cause: control.PeerSilent, Text: "vip:front taking from hist-a (peer-silent)"},
			"2026-11-21 21:04:40.120  vip:front     taking from hist-a (peer-silent)"},
		{control.Event{Kind: "config", Text: "read anew"}, "2026-11-21 21:04:40.120  config        read anew"},
		{control.Event{Kind: "alarm", Text: "two\nlines\x1b[0m"}, "2026-11-21 21:04:40.120  alarm         two?lines?[0m"},
	}
	for _, tt := range tests {
		tt.event.Time = now
		if got := eventLine(tt.event, time.UTC); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
}

func TestEvents(t *testing.T) {
	dir, j := shortDir(t), control.NewJournal()
	serve(t, &fakeDaemon{status: pair(now)}, j, dir)
	if code, out, errOut := vipd(t.Context(), "events", "--run-dir", dir); code != 0 || out+errOut != "" {
		t.Errorf("no events: %d %q %q", code, out, errOut)
	}
	for i := range control.JournalSize + 7 {
		j.Append(control.Event{Kind: "test", Text: fmt.Sprint("event ", i+1)})
	}
	tests := []struct {
		args  string
		lines int
		first string
	}{
		{"events", control.JournalSize + 1, "7 events lost"},
		{"events -n 3", 3, "event 4101"},
		{"events -n 0", 0, ""},
		{"events --json", control.JournalSize + 1, `{"lost":7}`},
		{"events --json -n 1", 1, `"text":"event 4103"`},
	}
	for _, tt := range tests {
		code, out, errOut := vipd(t.Context(), append(strings.Fields(tt.args), "--run-dir", dir)...)
		first, _, _ := strings.Cut(out, "\n")
		if code != 0 || errOut != "" || strings.Count(out, "\n") != tt.lines || !strings.Contains(first, tt.first) {
			t.Errorf("%s: %d %q, %d lines, first %q", tt.args, code, errOut, strings.Count(out, "\n"), first)
		}
	}
}

// TestFollow: what was, what comes, what comes after the stream broke, and
// what comes after a restart of the daemon, each once and in order.
func TestFollow(t *testing.T) {
	dir, j := shortDir(t), control.NewJournal()
	end := serve(t, &fakeDaemon{status: pair(now)}, j, dir)
	j.Append(control.Event{Text: "one"})
	j.Append(control.Event{Text: "two"})
	out, errOut, stop := background(t, "events", "-f", "-n", "1", "--json", "--run-dir", dir)
	seen := func() string {
		var texts []string
		for line := range strings.Lines(out.String()) {
			var e control.Event
			if json.Unmarshal([]byte(line), &e) == nil {
				texts = append(texts, e.Text)
			}
		}
		return strings.Join(texts, " ")
	}
	within(t, 20*time.Second, "the past", func() bool { return seen() == "two" })
	j.Append(control.Event{Text: "three"})
	within(t, 20*time.Second, "the new", func() bool { return seen() == "two three" })
	end()
	within(t, 20*time.Second, "a note", func() bool {
		return strings.HasPrefix(errOut.String(), "vipd events: the daemon went away; waiting for it\n")
	})
	end = serve(t, &fakeDaemon{status: pair(now)}, j, dir)
	j.Append(control.Event{Text: "more"})
	within(t, 20*time.Second, "more", func() bool { return seen() == "two three more" })
	end()
	anew := control.NewJournal()
	for _, text := range []string{"four", "five", "six", "seven", "eight"} { // more than the old journal had
		anew.Append(control.Event{Text: text})
	}
	later := pair(now)
	later.Started = now
	serve(t, &fakeDaemon{status: later}, anew, dir)
	within(t, 20*time.Second, "the successor's", func() bool { return seen() == "two three more four five six seven eight" })
	if code := stop(); code != 0 {
		t.Errorf("code %d, %s", code, errOut)
	}
}
