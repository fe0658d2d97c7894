package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/pair"
)

func TestChoose(t *testing.T) {
	tests := []struct {
		names []string
		want  []string
		err   error
	}{
		{nil, []string{"host-death", "failback", "cable-pull", "stop", "move", "daemon-crash", "freeze", "heal", "services"}, nil},
		{[]string{"move", "host-death"}, []string{"move", "host-death"}, nil},
		{[]string{"move", "mvoe"}, nil, ErrUnknownScenario},
	}
	for _, tt := range tests {
		chosen, err := choose(tt.names)
		if !errors.Is(err, tt.err) {
			t.Errorf("%v: error %v, want %v", tt.names, err, tt.err)
		}
		var got []string
		for _, s := range chosen {
			got = append(got, s.name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: chose %v, want %v", tt.names, got, tt.want)
		}
	}
}

func TestListNeedsNoLab(t *testing.T) {
	var out bytes.Buffer
	if err := Run(context.Background(), Options{Scenarios: []string{List}, Out: &out}); err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if !strings.Contains(out.String(), name+" ") {
			t.Errorf("%s is not in the list:\n%s", name, &out)
		}
	}
}

var measured = []Row{
	{
		Scenario: "stop", What: "hist-a's daemon is stopped", OutageMS: 11.6, TCPOutageMS: 21.4,
		Asked: 600, Lost: 9, AnsweredBy: []string{pair.NameA, pair.NameB}, TwoAnsweredMS: 0, StallMS: 2,
	},
	{
		Scenario: "stop", What: "it is started again", Failed: "hist-a did not answer", OutageMS: 3.06,
		TCPOutageMS: 8000, Asked: 8000, Lost: 8000, AnsweredBy: []string{}, TwoAnsweredMS: 23, StallMS: 15.2,
	},
}

const wantTable = `
SCENARIO  WHAT HAPPENS                OUTAGE                                TCP OUTAGE  LOST          ANSWERED BY     TWO ANSWERED
stop      hist-a's daemon is stopped  12 ms                                 21 ms       9 of 600      hist-a, hist-b  0.0 ms
          it is started again         3.1 ms (client itself stalled 15 ms)  8000 ms     8000 of 8000  nobody          23 ms

failed: stop: hist-a did not answer
`

func TestTable(t *testing.T) {
	var out bytes.Buffer
	doc := document{Rows: measured, Seconds: 1.25, Shells: []shell{{pair.NameA, "sudo nsenter"}}}
	if err := print(Options{Out: &out}, doc); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if !strings.HasPrefix(got, wantTable) {
		t.Errorf("printed\n%s\nwant\n%s", got, wantTable)
	}
	if !strings.HasSuffix(got, "hist-a    sudo nsenter\n") {
		t.Errorf("the shells are missing:\n%s", got)
	}
}

const wantWriting = `
SCENARIO  WHAT HAPPENS          OUTAGE  TCP OUTAGE  LOST      ANSWERED BY  TWO ANSWERED
services  hist-a loses power    98 ms   142 ms      90 of 90  nobody       0.0 ms
other     something else again  -       -           -         -            -

THE HISTORIAN MEANWHILE  NOTHING WRITTEN FOR  WHO WROTE (EPOCH: ROWS)              REFUSED  TWO WROTE
hist-a loses power       1225 ms              hist-a (257: 18), hist-b (514: 131)  1        0.0 ms
`

func TestWritingTable(t *testing.T) {
	rows := []Row{
		{
			Scenario: "services", What: "hist-a loses power", OutageMS: 98, TCPOutageMS: 142, Asked: 90, Lost: 90,
			Writing: &Writing{By: []Writer{{pair.NameA, 257, 18}, {pair.NameB, 514, 131}}, PauseMS: 1225, Refused: 1},
		},
		{Scenario: "other", What: "something else again", Unable: "no control groups; run it as root"},
	}
	var out bytes.Buffer
	if err := print(Options{Out: &out}, document{Rows: rows}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, wantWriting) || !strings.Contains(got, "\nleft out: other: no control groups; run it as root\n") {
		t.Errorf("printed\n%s\nwant\n%s", got, wantWriting)
	}
	if err := failures(rows); err != nil {
		t.Errorf("what can't be shown is no failure: %v", err)
	}
}

func TestJSONIsOneDocument(t *testing.T) {
	var out bytes.Buffer
	o := Options{Out: &out, JSON: true, Terminal: true, Colour: true}
	tl := newTimeline(o)
	tl.title("hist-a loses power")
	tl.close()
	if err := print(o, document{Rows: measured}); err != nil {
		t.Fatal(err)
	}
	var doc document
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if d.More() || len(doc.Rows) != 2 || doc.Rows[1].Failed == "" || doc.Rows[0].Lost != 9 {
		t.Errorf("read back %+v", doc)
	}
}

func TestFailuresAreNamedOnce(t *testing.T) {
	if err := failures(measured[:1]); err != nil {
		t.Errorf("nothing failed, but: %v", err)
	}
	err := failures([]Row{measured[1], measured[1], {Scenario: "move", Failed: "no"}})
	if err == nil || err.Error() != "failed: stop, move" {
		t.Errorf("got %v", err)
	}
}

func TestTimelineIsPlainWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	tl := newTimeline(Options{Out: &out})
	tl.role(0, "active")
	tl.role(0, "active")
	tl.look(pair.NameA, time.Now())
	tl.look(pair.NameA, time.Now())
	tl.title("hist-a loses power")
	tl.look(pair.NameA, time.Now().Add(-time.Second))
	tl.close()
	tl.close()
	tl.say("never")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{"", "hist-a: active", "client: hist-a answers", "hist-a loses power", "client: no answer"}
	if len(lines) != len(want) {
		t.Fatalf("wrote\n%s", &out)
	}
	for i, line := range lines {
		if !strings.HasSuffix(line, want[i]) || strings.Contains(line, "\x1b") {
			t.Errorf("line %q, want %q", line, want[i])
		}
	}
	if !strings.Contains(lines[3], "active      no power") {
		t.Errorf("roles are missing in %q", lines[3])
	}
}

func TestLiveLineIsWiped(t *testing.T) {
	var out bytes.Buffer
	tl := newTimeline(Options{Out: &out, Terminal: true, Colour: true})
	out.Reset()
	tl.draw()
	tl.bad("hist-a loses power")
	if got := out.String(); !strings.Contains(got, "client: no answer\r\x1b[K") || !strings.Contains(got, "\x1b[31mFAILED hist-a") {
		t.Errorf("wrote %q", got)
	}
}
