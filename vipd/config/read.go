package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// profiles are the named paces. fast is known, but heartbeat refuses it.
var profiles = map[string]Heartbeat{
	"normal":  {Profile: "normal", Interval: 50 * time.Millisecond, Tolerance: 3},
	"fast":    {Profile: "fast", Interval: 5 * time.Millisecond, Tolerance: 3},
	"patient": {Profile: "patient", Interval: 500 * time.Millisecond, Tolerance: 4},
}

// settings reads every table; each problem is noted and the rest goes on.
func (root table) settings() Settings {
	root.only("cluster", "key_file", "node", "vip", "heartbeat", "multicast", "expert")
	s := Settings{
		Cluster:   root.cluster(),
		KeyFile:   root.keyFile(),
		Nodes:     root.nodes(),
		Heartbeat: root.heartbeat(),
		Multicast: root.multicast(),
	}
	s.VIPs = root.vips(s.Nodes)
	s.StartWait = root.startWait(s.Heartbeat)
	root.compare(s)
	return s
}

func (root table) cluster() (name string) {
	root.need("cluster", `name the cluster: cluster = "plant1"`)
	if root.text("cluster", "plant1", &name) && !validName(name) {
		root.wrong("cluster", "%q is no name; %s", name, nameRule)
	}
	return name
}

func (root table) keyFile() (path string) {
	root.need("key_file", `name the file with the cluster's key: key_file = "/etc/vipd/key"`)
	if root.text("key_file", "/etc/vipd/key", &path) && !filepath.IsAbs(path) {
		root.wrong("key_file", "%q is not absolute; begin it with /", path)
	}
	return path
}

// heartbeat reads the pace: a profile, and what overrides it.
func (root table) heartbeat() Heartbeat {
	h := profiles["normal"]
	t, ok := root.sub("heartbeat", "a table such as [heartbeat]")
	if !ok {
		return h
	}
	t.only("profile", "interval", "tolerance")
	if name := ""; t.text("profile", "normal", &name) {
		h = t.profile(name)
	}
	t.duration("interval", "50ms", MinInterval, MaxInterval, &h.Interval)
	if n, ok := t.values["tolerance"].(int64); ok && n < MinTolerance {
		t.wrong("tolerance", "%s shorter than one lost datagram; at least %d",
			count(int(n), "interval is", "intervals are"), MinTolerance)
	} else {
		t.number("tolerance", MinTolerance, MaxTolerance, &h.Tolerance)
	}
	return h
}

func (t table) profile(name string) Heartbeat {
	h, ok := profiles[name]
	switch {
	case !ok:
		t.wrongWord("profile", "no such profile; normal or patient", nearest(name, slices.Sorted(maps.Keys(profiles))))
		return profiles["normal"]
	case name == "fast":
		t.wrong("profile", "fast needs realtime rights and the kernel lease, which this build does not have; "+
			`leave it out and set interval = "5ms"`)
	}
	return h
}

// startWait reads the expert table. A start that waits for less than one dead time could miss a peer that beats.
func (root table) startWait(h Heartbeat) time.Duration {
	wait := max(DefaultStartWait, h.Dead())
	if t, ok := root.sub("expert", "a table such as [expert]"); ok {
		t.only("start_wait")
		if t.duration("start_wait", "35s", 0, MaxStartWait, &wait) && wait < h.Dead() {
			t.wrong("start_wait", "%s is shorter than the dead time of %s; a living peer could be missed",
				short(wait), short(h.Dead()))
		}
	}
	return wait
}

const nameRule = "letters, digits, dot, underscore and hyphen, at most 63, the first a letter or digit"

// validName tells whether s may name a cluster, a node or a vip.
func validName(s string) bool {
	if s == "" || len(s) > 63 || strings.IndexByte("._-", s[0]) >= 0 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !bare(r) && r != '.' })
}

// named refuses a table of a node or vip whose name is none.
func (t table) named(name, what string) {
	if !validName(name) {
		t.refuse(t.at.key, t.at.path, "no name for a "+what+"; "+nameRule, "")
	}
}

// count is a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
