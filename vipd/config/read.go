package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// profiles are the named paces. fast is known but refused: see heartbeat.
var profiles = map[string]Heartbeat{
	"normal":  {Profile: "normal", Interval: 50 * time.Millisecond, Tolerance: 3},
	"fast":    {Profile: "fast", Interval: 5 * time.Millisecond, Tolerance: 3},
	"patient": {Profile: "patient", Interval: 500 * time.Millisecond, Tolerance: 4},
}

// settings reads every table; each problem is noted and the rest goes on.
func (r *reader) settings(root table) Settings {
	root.only("cluster", "key_file", "node", "vip", "heartbeat", "multicast", "expert")
	var s Settings
	r.identity(root, &s)
	s.Nodes = r.nodes(root)
	s.VIPs = r.vips(root, s.Nodes)
	s.Heartbeat = r.heartbeat(root)
	s.Multicast = r.multicast(root)
	s.StartWait = r.startWait(root, s.Heartbeat)
	r.compare(root, s)
	return s
}

// identity reads what stands above the tables.
func (r *reader) identity(root table, s *Settings) {
	root.need("cluster", `name the cluster: cluster = "plant1"`)
	if root.text("cluster", "plant1", &s.Cluster) && !validName(s.Cluster) {
		root.wrong("cluster", "%q is no name; %s", s.Cluster, nameRule)
	}
	root.need("key_file", `name the file with the cluster's key: key_file = "/etc/vipd/key"`)
	if root.text("key_file", "/etc/vipd/key", &s.KeyFile) && !filepath.IsAbs(s.KeyFile) {
		root.wrong("key_file", "%q is not absolute; begin it with /", s.KeyFile)
	}
}

// heartbeat reads the pace: a profile, and what overrides it.
func (r *reader) heartbeat(root table) Heartbeat {
	h := profiles["normal"]
	t, ok := root.sub("heartbeat", "a table such as [heartbeat]")
	if !ok {
		return h
	}
	t.only("profile", "interval", "tolerance")
	if name := ""; t.text("profile", "normal", &name) {
		known, ok := profiles[name]
		switch {
		case !ok:
			names := slices.Sorted(maps.Keys(profiles))
			t.wrongName("profile", "no such profile; normal or patient", nearest(name, names))
		case name == "fast":
			t.wrong("profile", "fast needs realtime rights and the kernel lease, which this build does not have; "+
				`leave it out and set interval = "5ms"`)
		default:
			h = known
		}
	}
	t.duration("interval", "50ms", MinInterval, MaxInterval, &h.Interval)
	r.tolerance(t, &h)
	return h
}

func (r *reader) tolerance(t table, h *Heartbeat) {
	n := h.Tolerance
	if !t.number("tolerance", 0, MaxTolerance, &n) {
		return
	}
	if n < MinTolerance {
		t.wrong("tolerance", "%d %s shorter than one lost datagram; at least %d", n, plural(n, "interval is", "intervals are"), MinTolerance)
		return
	}
	h.Tolerance = n
}

// startWait reads the expert table. A start that waits for less than one dead time could miss a peer that beats.
func (r *reader) startWait(root table, h Heartbeat) time.Duration {
	wait := DefaultStartWait
	if t, ok := root.sub("expert", "a table such as [expert]"); ok {
		t.only("start_wait")
		if t.duration("start_wait", "35s", 0, MaxStartWait, &wait) && wait < h.Dead() {
			t.wrong("start_wait", "%s is shorter than the dead time of %s; a living peer could be missed", short(wait), short(h.Dead()))
		}
	}
	return max(wait, h.Dead())
}

// named refuses a table of nodes or vips whose name is none.
func (r *reader) named(t table, name, what string) {
	if !validName(name) {
		r.refuse(t.at.key, t.at.path, "no name for a "+what+"; "+nameRule, "")
	}
}

const nameRule = "letters, digits, dot, underscore and hyphen, at most 63, the first a letter or digit"

// validName tells whether s may name a cluster, a node or a vip.
func validName(s string) bool {
	if s == "" || len(s) > 63 || strings.IndexByte("._-", s[0]) >= 0 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !bare(r) && r != '.' })
}

func tooMany(n, limit int, what string) string {
	return fmt.Sprintf("%d %s are too many; at most %d", n, what, limit)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
