package config

import (
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// group parses one group named g; text is what stands below its header.
func group(t testing.TB, text string) Group {
	t.Helper()
	s := parse(t, small+"[group.g]\nunits = [\"a.service\"]\n"+text)
	if len(s.Groups) != 1 || len(s.Warnings) > 0 {
		t.Errorf("%q gives %+v, warnings %v", text, s.Groups, s.Warnings)
	}
	return s.Groups[0]
}

// TestGroupDefaults: a group that one node runs moves; one that every fit node runs has nothing to move.
func TestGroupDefaults(t *testing.T) {
	one := Group{
		Name: "g", Kind: Plain, Units: []string{"a.service"},
		Restart: Allowance{2, time.Minute}, StopTimeout: 10 * time.Second, StartGrace: 10 * time.Second,
		Priorities: map[string]int{}, AutoFailback: true, FailbackDelay: 30 * time.Second, FailbackMaxPerHour: 10,
		DisableInheritance: true,
	}
	both := Group{
		Name: "g", Kind: Plain, Units: []string{"a.service"}, Both: true,
		Restart: Allowance{2, time.Minute}, StopTimeout: 10 * time.Second, StartGrace: 10 * time.Second,
	}
	of := func(g Group, kind string) Group { g.Kind = kind; return g }
	for text, want := range map[string]Group{
		``:                                      one,
		`kind = "plain"`:                        one,
		`run = "one"`:                           one,
		`kind = "historian"`:                    of(one, Historian),
		`kind = "rtdb"`:                         of(one, RTDB),
		"kind = \"dataserver\"\nrun = \"one\"":  of(one, Dataserver),
		`run = "all"`:                           both,
		`run = "both"`:                          both,
		`kind = "dataserver"`:                   of(both, Dataserver),
		"kind = \"historian\"\nrun = \"both\"":  of(both, Historian),
		"check = []\nafter = []\nrestart = { }": one,
	} {
		if got := group(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got\n%+v\nwant\n%+v", text, got, want)
		}
	}
}

func TestEveryGroupKey(t *testing.T) {
	s := parse(t, small+`
requires = ["dataserver", "hist.1"]
[group.dataserver]
kind = "dataserver"
units = ["mosquitto.service"]
check = ["tcp://127.0.0.1:1883", "http://[::1]/health"]
rise = 5
[group."hist.1"]
kind = "historian"
units = ['exec:/opt/historian/writer --config "/etc/my file"', "pg-writer@1.service"]
run = "one"
after = ["dataserver", "rtdb"]
with = ["rtdb"]
priorities = { b = 300 }
restart = { attempts = 0, within = "1h" }
stop_timeout = "100ms"
start_grace = "0s"
check = ["exec:/bin/true"]
check_interval = "10ms"
check_timeout = "100ms"
rise = 1
fall = 100
auto_failback = false
failback_delay = "0s"
failback_max_per_hour = 0
[group.rtdb]
units = ["rtdb.service"]
restart = { attempts = 100 }
stop_timeout = "10m"
[expert]
check_interval = "2s"
check_timeout = "3s"
rise = 4
fall = 6
start_grace = "7s"
`)
	usual := func(target string, rise int) Check { return Check{target, 2 * time.Second, 3 * time.Second, rise, 6} }
	want := []Group{
		{
			Name: "dataserver", Kind: Dataserver, Units: []string{"mosquitto.service"}, Both: true,
			Checks:  []Check{usual("tcp://127.0.0.1:1883", 5), usual("http://[::1]/health", 5)},
			Restart: Allowance{2, time.Minute}, StopTimeout: 10 * time.Second, StartGrace: 7 * time.Second,
		},
		{
			Name: "hist.1", Kind: Historian,
			Units:  []string{`exec:/opt/historian/writer --config "/etc/my file"`, "pg-writer@1.service"},
			Checks: []Check{{"exec:/bin/true", 10 * time.Millisecond, 100 * time.Millisecond, 1, 100}},
			After:  []string{"dataserver", "rtdb"}, With: []string{"rtdb"},
			Restart: Allowance{0, time.Hour}, StopTimeout: 100 * time.Millisecond,
			Priorities: map[string]int{"b": 300}, DisableInheritance: true,
		},
		{
			Name: "rtdb", Kind: Plain, Units: []string{"rtdb.service"},
			Restart: Allowance{100, time.Minute}, StopTimeout: 10 * time.Minute, StartGrace: 7 * time.Second,
			Priorities: map[string]int{}, AutoFailback: true, FailbackDelay: 30 * time.Second, FailbackMaxPerHour: 10,
			DisableInheritance: true,
		},
	}
	for i, g := range want {
		if !reflect.DeepEqual(s.Groups[i], g) {
			t.Errorf("got\n%+v\nwant\n%+v", s.Groups[i], g)
		}
	}
	hist, a, b := s.Groups[1], s.Nodes[0], s.Nodes[1]
	if hist.Token() != "group:hist.1" || hist.Priority(a) != 200 || hist.Priority(b) != 300 {
		t.Errorf("%s has priorities %d and %d", hist.Token(), hist.Priority(a), hist.Priority(b))
	}
	if v := s.VIPs[0]; !reflect.DeepEqual(v.Requires, []string{"dataserver", "hist.1"}) {
		t.Errorf("the vip requires %q", v.Requires)
	}
}

// TestRequiringDelay: an address that follows services goes back later than one that stands alone.
func TestRequiringDelay(t *testing.T) {
	const server = "[group.g]\nunits = [\"a.service\"]\nrun = \"both\"\n"
	for keys, want := range map[string]time.Duration{
		"":                 0,
		"requires = []":    0,
		"requires = ['g']": 30 * time.Second,
		"requires = ['g']\nfailback_delay = '0s'": 0,
		"requires = ['g']\nallow_multiple = true": 30 * time.Second,
	} {
		if got := parse(t, small+keys+"\n"+server).VIPs[0].FailbackDelay; got != want {
			t.Errorf("%q: failback delay %s, want %s", keys, got, want)
		}
	}
}

// TestGoodUnits: whatever systemd or the kernel would start may stand in a group.
func TestGoodUnits(t *testing.T) {
	for _, text := range []string{
		"a.service", "pg-writer@1.service", "postgresql@16-main.service", `dev-disk-by\x2duuid.service`, "_x:y.z.service",
		strings.Repeat("x", 247) + ".service", "exec:/bin/true", `exec:/opt/my/writer --config "/etc/my file" ""`, "exec: /bin/true ",
		`exec:"/opt/my program" x`,
	} {
		if reason, _ := badUnit(text); reason != "" {
			t.Errorf("%q %s", text, reason)
		}
	}
	if reason, _ := badUnit(strings.Repeat("x", 248) + ".service"); reason == "" {
		t.Error("a name of 256 bytes is taken")
	}
}

func TestGoodTargets(t *testing.T) {
	for _, text := range []string{
		"tcp://127.0.0.1:1", "tcp://localhost:65535", "tcp://[::1]:1883", "tcp://192.0.2.11:80", "tcp://[2001:db8::1]:80",
		"http://127.0.0.1", "http://localhost/", "https://[::1]:8443/health?deep=1&x=%20", "http://192.0.2.200:8080/a/b#c",
		"http://127.0.0.1/ expect=200", `https://[::1]/ expect=200-299  body="it is \"up\"" insecure `, "http://127.0.0.1 body=ok",
		"exec:/usr/bin/pg_isready -q", "unit:pg-writer@1.service",
	} {
		if reason, _ := badTarget(text); reason != "" {
			t.Errorf("%q %s", text, reason)
		}
	}
}

// FuzzTarget: what is taken as a check can be asked: the host of an address is a literal one or localhost.
func FuzzTarget(f *testing.F) {
	for _, text := range []string{
		"tcp://127.0.0.1:1883", "tcp://[::1]:1", "tcp://localhost:65535", "tcp://::1:80", "http://127.0.0.1/x?y", "https://[::1]:1/",
		"exec:/bin/true a b", "http://[::1]/ body=\"a b\" expect=200", "unit:a.service", "tcp://[::ffff:127.0.0.1]:1", "http://127.0.0.1:/", "tcp://127.0.0.1:1#", "tcp://%31:1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		badUnit(text)
		reason, hint := badTarget(text)
		if reason == "" && hint != "" || strings.Contains(reason, "\n") {
			t.Fatalf("%q: %q, %q", text, reason, hint)
		}
		rest, tcp := strings.CutPrefix(text, "tcp://")
		if reason != "" || !tcp {
			return
		}
		host, port, err := net.SplitHostPort(rest)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			t.Errorf("%q: the host is %q", text, host)
		}
		if n, err := net.LookupPort("tcp", port); err != nil || n < 1 {
			t.Errorf("%q: the port is %q", text, port)
		}
	})
}
