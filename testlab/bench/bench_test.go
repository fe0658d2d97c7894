package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/testlab/pair"
	"vipd/vipd/config"
)

func TestQuantile(t *testing.T) {
	tests := []struct {
		list []float64
		q    float64
		want float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{4, 1}, 0.5, 2.5},
		{[]float64{9, 1, 5}, 0.5, 5},
		{[]float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 0.9, 9},
		{[]float64{1, 2}, 0.9, 2},
	}
	for _, tt := range tests {
		if got := quantile(tt.list, tt.q); got != tt.want {
			t.Errorf("quantile %g of %v is %g, want %g", tt.q, tt.list, got, tt.want)
		}
	}
}

// played is a book with a figure for the median, one for the worst and one that failed.
func played() *book {
	b := newBook(3)
	s := scenario{name: "stop", what: "the daemon gets SIGTERM", figures: []figure{{outage, "ms", never(10)}, {dual, "ms", atMost(3, 1)}}}
	own := vipd("vipd", normalInterval, "")
	for _, v := range []float64{2, 3, 12} {
		b.enter(s, own, values{outage: v, dual: v, stallKey: v}, nil)
	}
	b.enter(s, keepalivedUsual(""), nil, errors.New("no answer"))
	return b
}

const wantTable = `  FIGURE          DAEMON      MEDIAN  MIN  MAX   P90   N             STALLED  GOAL
stop: the daemon gets SIGTERM
  outage, ms      vipd        3.0     2.0  12.0  12.0  3             1        max ≤ 10 misses by 2.0
                  keepalived  -       -    -     -     0 + 1 failed  -        -
  two answer, ms  vipd        3.0     2.0  12.0  12.0  3             1        ≤ 3 meets
                  keepalived  -       -    -     -     0 + 1 failed  -        -
`

func TestTable(t *testing.T) {
	if got := played().table(); got != wantTable {
		t.Errorf("printed\n%s\nwant\n%s", got, wantTable)
	}
}

func TestJSONHasEverySingleFigure(t *testing.T) {
	var out bytes.Buffer
	if err := played().print(&out, true); err != nil {
		t.Fatal(err)
	}
	var got book
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if r := got.Rows[0]; len(r.Values) != 3 || len(r.Stalls) != 3 || r.Goal == nil || *r.Goal != 10 || !r.Worst {
		t.Errorf("read back %+v", r)
	}
	if r := got.Rows[2]; len(r.Values) != 0 || len(r.Failures) != 1 || r.Goal != nil {
		t.Errorf("read back %+v", r)
	}
}

func TestGoalsAreOurs(t *testing.T) {
	fast, normal, other := vipd("", fastInterval, ""), vipd("", normalInterval, ""), keepalivedBest("")
	g := goal{normal: 4, fast: noGoal}
	if most, ok := g.of(&normal); !ok || most != 4 {
		t.Errorf("by default %g, %v", most, ok)
	}
	if _, ok := g.of(&fast); ok {
		t.Error("a goal where there is none")
	}
	if _, ok := g.of(&other); ok {
		t.Error("keepalived has a goal")
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose("", 0); err != nil || len(all) != len(scenarios) {
		t.Errorf("%d scenarios, %v", len(all), err)
	}
	if some, err := choose("move,stop", 0); err != nil || len(some) != 2 || some[0].name != "move" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := choose("mvoe", 0); err == nil {
		t.Error("an unknown scenario was found")
	}
	if some, err := choose("load,stop", time.Second); err != nil || some[0].lasts != time.Second || some[1].lasts != 0 {
		t.Errorf("%v, %v", some, err)
	}
	if i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == "load" }); scenarios[i].lasts != loadedFor {
		t.Error("what was chosen once changed what there is")
	}
	for _, watch := range []time.Duration{-1, longestWatch + 1} {
		if _, err := choose("", watch); err == nil {
			t.Errorf("a watch of %v was taken", watch)
		}
	}
	if _, err := chooseSubjects("default,quick", ""); err == nil {
		t.Error("an unknown mode was found")
	}
}

// The heartbeats that the modes are named for are those of the daemon.
func TestModesAreTheDaemons(t *testing.T) {
	const pair = `cluster = "bench"
key_file = "/key"
[node.hist-a]
addresses = ["192.0.2.11"]
[node.hist-b]
addresses = ["192.0.2.12"]
[vip.front]
address = "192.0.2.10/24"
`
	for more, want := range map[string]time.Duration{"": normalInterval, fastProfile: fastInterval, fastAlone: fastInterval} {
		settings, err := config.Parse("vipd.toml", []byte(pair+more))
		if err != nil || settings.Heartbeat.Interval != want || settings.Heartbeat.Tolerance != 3 {
			t.Errorf("%q is %+v, %v; want %v x 3", more, settings.Heartbeat, err, want)
		}
	}
}

func TestManyAddressesAreDistinctAndNoHosts(t *testing.T) {
	taken := map[string]bool{pair.Shared.Addr().String(): true, "192.0.2.11": true, "192.0.2.12": true, "192.0.2.99": true, "192.0.2.100": true}
	for i := range 999 {
		a, network := extraAddress(i).Addr(), pair.Shared
		if i >= 199 {
			network = wide
		}
		if taken[a.String()] || !network.Contains(a) || extraAddress(i).Bits() != network.Bits() {
			t.Errorf("address %d, %s, is taken or elsewhere", i, a)
		}
		taken[a.String()] = true
	}
	if text := manyVIPs(199); strings.Count(text, "[vip.") != 4 || strings.Count(text, "/24") != 199 {
		t.Errorf("configured\n%s", text)
	}
}

func TestKeepalivedFile(t *testing.T) {
	got := keepalivedText(nameA, 200, 10*time.Millisecond, "", scene{addresses: 1})
	for _, line := range []string{"	router_id hist-a\n", "	priority 200\n", "	advert_int 0.01\n", "		192.0.2.10/24 dev eth0\n", "		192.0.2.20/24 dev eth0\n"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not in\n%s", line, got)
		}
	}
}
