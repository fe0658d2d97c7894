package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// small is the least that is valid without a warning.
const small = badHead +
	"[node.a]\naddresses = [\"192.0.2.11\"]\npriority = 200\n" +
	"[node.b]\naddresses = [\"192.0.2.12\"]\n" + badVIP

func parse(t testing.TB, text string) Settings {
	t.Helper()
	s, err := Parse("vipd.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDefaults(t *testing.T) {
	want := Settings{
		Cluster: "plant1",
		KeyFile: "/etc/vipd/key",
		Nodes: []Node{
			{Name: "a", Slot: 1, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.11")}, Priority: 200},
			{Name: "b", Slot: 2, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.12")}, Priority: 100},
		},
		VIPs: []VIP{{
			Name:         "v",
			Addresses:    []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24")},
			Interface:    map[string]string{},
			AutoFailback: true, FailbackMaxPerHour: 10,
			Priorities:  map[string]int{},
			HookTimeout: 10 * time.Second,
		}},
		Heartbeat: Heartbeat{Profile: "normal", Interval: 50 * time.Millisecond, Tolerance: 3},
		Multicast: Multicast{
			Group4: netip.MustParseAddr("239.192.77.1"), Group6: netip.MustParseAddr("ff15::7669:7064"), Port: 7000, TTL: 1,
		},
		StartWait: 35 * time.Second,
	}
	if got := parse(t, small); !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestEveryKey(t *testing.T) {
	got := parse(t, `
cluster = "plant.1_x-y"
key_file = "/etc/vipd/key"
[node.hist-b]
id = 9
addresses = ["2001:db8::12", "198.51.100.2"]
[node.hist-a]
id = 200
addresses = ["2001:db8::11", "198.51.100.1"]
priority = 65535
[vip."front.door"]
addresses = ["198.51.100.10/24", "2001:db8::10/64", "fe80::10"]
interface = { hist-a = "eth0", hist-b = "ens3" }
auto_failback = false
failback_delay = "1m30s"
failback_max_per_hour = 0
disable_inheritance = true
priorities = { hist-a = 50 }
prove = ["198.51.100.254", "2001:db8::1"]
on_active = ["/bin/tell --up 'front  door' \"it's\" ''", "/bin/true"]
on_standby = ["/bin/tell --down"]
hook_timeout = "2s"
[vip.both]
address = "198.51.100.9"
interface = "eth7"
allow_multiple = true
[heartbeat]
profile = "patient"
tolerance = 5
[multicast]
group = "239.1.2.3"
port = 65535
ttl = 255
[expert]
start_wait = "10m"
`)
	if a, ok := got.Node("hist-a"); !ok || a.Slot != 200 || a.Priority != 65535 || got.Nodes[0].Name != "hist-a" {
		t.Errorf("node hist-a is %+v", a)
	}
	if _, ok := got.Node("HIST-A"); ok {
		t.Error("names of nodes are case-sensitive")
	}
	if got.Heartbeat != (Heartbeat{"patient", 500 * time.Millisecond, 5}) || got.Heartbeat.Dead() != 2500*time.Millisecond {
		t.Errorf("heartbeat is %+v", got.Heartbeat)
	}
	if m := got.Multicast; m.Group4 != netip.MustParseAddr("239.1.2.3") || m.Port != 65535 || m.TTL != 255 {
		t.Errorf("multicast is %+v", m)
	}
	if got.StartWait != 10*time.Minute {
		t.Errorf("start_wait is %s", got.StartWait)
	}
	want := VIP{
		Name: "front.door",
		Addresses: []netip.Prefix{
			netip.MustParsePrefix("198.51.100.10/24"), netip.MustParsePrefix("2001:db8::10/64"), netip.MustParsePrefix("fe80::10/128"),
		},
		Interface:     map[string]string{"hist-a": "eth0", "hist-b": "ens3"},
		FailbackDelay: 90 * time.Second, DisableInheritance: true,
		Priorities: map[string]int{"hist-a": 50},
		Prove:      []netip.Addr{netip.MustParseAddr("198.51.100.254"), netip.MustParseAddr("2001:db8::1")},
		OnActive: []Hook{
			{Argv: []string{"/bin/tell", "--up", "front  door", "it's", ""}},
			{Argv: []string{"/bin/true"}},
		},
		OnStandby:   []Hook{{Argv: []string{"/bin/tell", "--down"}}},
		HookTimeout: 2 * time.Second,
	}
	if !reflect.DeepEqual(got.VIPs[1], want) {
		t.Errorf("got\n%+v\nwant\n%+v", got.VIPs[1], want)
	}
	if both := got.VIPs[0]; !both.AllowMultiple || both.Interface["hist-b"] != "eth7" || both.Token() != "vip:both" {
		t.Errorf("vip both is %+v", both)
	}
}

// TestPace shows how a profile and what overrides it go together.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		heartbeat string
		want      Heartbeat
	}{
		{``, Heartbeat{"normal", 50 * time.Millisecond, 3}},
		{`profile = "patient"`, Heartbeat{"patient", 500 * time.Millisecond, 4}},
		{`interval = "5ms"`, Heartbeat{"normal", 5 * time.Millisecond, 3}},
		{`interval = "1ms"` + "\n" + `tolerance = 2`, Heartbeat{"normal", time.Millisecond, 2}},
		{`interval = "10s"` + "\n" + `tolerance = 100`, Heartbeat{"normal", 10 * time.Second, 100}},
	} {
		s := parse(t, small+"[heartbeat]\n"+c.heartbeat)
		if s.Heartbeat != c.want {
			t.Errorf("%q gives %+v, want %+v", c.heartbeat, s.Heartbeat, c.want)
		}
		if s.StartWait < s.Heartbeat.Dead() {
			t.Errorf("%q: start_wait %s is shorter than the dead time", c.heartbeat, s.StartWait)
		}
	}
}

// manyVIPs is so many vips of one address each.
func manyVIPs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[vip.v%d]\naddress = \"192.0.%d.%d\"\n", i, 4+i/250, i%250+1)
	}
	return b.String()
}

func TestWarnings(t *testing.T) {
	nodes := "[node.a]\naddresses = [\"192.0.2.11\"]\npriority = 7\n[node.b]\naddresses = [\"192.0.2.12\"]\npriority = 7\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing doubtful", small, nil},
		{"equal priorities", badHead + nodes + badVIP, []string{
			"vipd.toml:8:12: node.b.priority: equal priorities: a, b have 7; the name decides, and failback never moves"}},
		{"equal by default", badHead + badNodes + badVIP, []string{
			"vipd.toml:5:2: node.b: equal priorities: a, b have 100; the name decides, and failback never moves"}},
		{"every vip has its own", badHead + nodes + badVIP + "priorities = { b = 8 }\n", nil},
		{"equal for one vip", small + "priorities = { a = 100 }\n", []string{
			"vipd.toml:10:14: vip.v.priorities: equal priorities: a, b have 100; the name decides, and failback never moves"}},
		{"one node, no vip", badHead + "[node.a]\naddresses = [\"192.0.2.11\"]\n", []string{
			"vipd.toml:1:1: vip: none; there is no address to share",
			"vipd.toml:3:2: node.a: the only node; nothing can fail over"}},
		{"no vip in the table", strings.TrimSuffix(small, badVIP) + "[vip]\n", []string{
			"vipd.toml:8:2: vip: none; there is no address to share"}},
		{"far from every node", strings.Replace(small, "192.0.2.10/24", "203.0.113.10/24", 1), []string{
			"vipd.toml:9:11: vip.v.address: no address of a, b lies in 203.0.113.0/24; set interface if that is meant"}},
		{"far, with interface", strings.Replace(small, "192.0.2.10/24", "203.0.113.10/24", 1) + "interface = \"eth1\"\n", nil},
		{"groups, but no vip", strings.TrimSuffix(small, badVIP) + "[group.g]\nunits = [\"a.service\"]\n", nil},
		{"a group on both sides of a cut", small + "[group.g]\nunits = [\"a.service\"]\ndisable_inheritance = false\n", []string{
			"vipd.toml:12:23: group.g.disable_inheritance: without a witness each side of a total cut runs the group"}},
		{"equal for one group", small + "[group.g]\nunits = [\"a.service\"]\npriorities = { b = 200 }\n", []string{
			"vipd.toml:12:14: group.g.priorities: equal priorities: a, b have 200; the name decides, and failback never moves"}},
		{"equal, but every node runs it", badHead + nodes + "[group.g]\nunits = [\"a.service\"]\nrun = \"both\"\n", nil},
		{"equal by default for a group", badHead + badNodes + "[group.g]\nunits = [\"a.service\"]\n", []string{
			"vipd.toml:5:2: node.b: equal priorities: a, b have 100; the name decides, and failback never moves"}},
		{"checks that ask elsewhere", small + "[group.g]\nunits = [\"a.service\"]\ncheck = [\"tcp://127.0.0.1:1\", \"tcp://192.0.2.10:1\", \"http://192.0.2.11/\"]\n", []string{
			"vipd.toml:12:31: group.g.check: 192.0.2.10 is an address of vip v; the check asks there from every node, so take 127.0.0.1",
			"vipd.toml:12:53: group.g.check: 192.0.2.11 is an address of node a; the check asks there from every node, so take 127.0.0.1"}},
		{"many tokens at a short interval", "heartbeat = { profile = \"fast\" }\n" + strings.TrimSuffix(small, badVIP) + manyVIPs(257), []string{
			"vipd.toml:9:2: vip: 257 tokens are more than a host can follow at an interval of 5ms; addresses that move together can be one vip, at most 64"}},
		{"not so many", "heartbeat = { profile = \"fast\" }\n" + strings.TrimSuffix(small, badVIP) + manyVIPs(256), nil},
		{"many tokens at the usual interval", strings.TrimSuffix(small, badVIP) + manyVIPs(257), nil},
		{"no network given", strings.Replace(small, "192.0.2.10/24", "203.0.113.10", 1), nil},
	} {
		var got []string
		for _, w := range parse(t, c.text).Warnings {
			got = append(got, w.String())
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got\n%q\nwant\n%q", c.name, got, c.want)
		}
	}
}

// TestUnreadable: bytes that no configuration may contain are refused before anything reads them.
func TestUnreadable(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"NUL", "cluster = \"p\"\nkey\x00", "vipd.toml:2:4: a NUL byte; write the file as UTF-8 text, not UTF-16"},
		{"UTF-16", "c\x00l\x00", "vipd.toml:1:2: a NUL byte; write the file as UTF-8 text, not UTF-16"},
		{"UTF-16 with mark", "\xff\xfec\x00", "vipd.toml:1:1: not UTF-8; save the file with that encoding"},
		{"Latin-1", "# caf\u00e9 caf\xe9", "vipd.toml:1:11: not UTF-8; save the file with that encoding"},
		{"escape", "# \x1b[31m", "vipd.toml:1:3: a control character; only tabs and line ends may stand here"},
		{"lone return", "# a\rb", "vipd.toml:1:4: a control character; only tabs and line ends may stand here"},
		{"too large", strings.Repeat("#", MaxFile+1), "vipd.toml:1:1: larger than 1 MiB; this is no configuration"},
		{"deep arrays", "a = " + strings.Repeat("[", MaxFile/2), "vipd.toml:1:13: nested deeper than 8 levels; no key needs that"},
		{"deep keys", strings.Repeat("a.", MaxFile/4) + "a = 1", "vipd.toml:1:1: nested deeper than 8 levels; no key needs that"},
	} {
		if _, err := Parse("vipd.toml", []byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

// TestSameMeaning: what editors do to a file changes nothing, nor the place of a problem.
func TestSameMeaning(t *testing.T) {
	want := parse(t, small)
	for name, text := range map[string]string{
		"byte order mark": "\uFEFF" + small,
		"CR LF":           strings.ReplaceAll(small, "\n", "\r\n"),
		"no last newline": strings.TrimSuffix(small, "\n"),
		"U+FFFD":          small + "# \uFFFD",
	} {
		if got := parse(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v", name, got)
		}
		_, err := Parse("vipd.toml", []byte(strings.Replace(text, "address =", "\tadress =", 1)))
		if err == nil || !strings.Contains(err.Error(), `vipd.toml:9:2: vip.v.adress: unknown key; did you mean "address"?`) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	good := filepath.Join(folder, "vipd.toml")
	if err := os.WriteFile(good, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(good); err != nil || s.Cluster != "plant1" {
		t.Errorf("got %+v, %v", s, err)
	}
	large := filepath.Join(folder, "large.toml")
	if err := os.WriteFile(large, make([]byte, 2*MaxFile), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		folder + "/none": folder + "/none: no such file; copy the reference configuration there or give another path",
		folder:           folder + ": cannot be read: read " + folder + ": is a directory",
		large:            large + ":1:1: larger than 1 MiB; this is no configuration",
	} {
		if _, err := Load(path); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
