package config

import (
	"maps"
	"slices"
	"time"
)

// profiles are the named paces. Whether this host has the rights that Fast needs is
// the daemon's to see.
var profiles = map[string]Heartbeat{
	"normal":  {Profile: "normal", Interval: 50 * time.Millisecond, Tolerance: 3},
	Fast:      {Profile: Fast, Interval: 5 * time.Millisecond, Tolerance: 3},
	"patient": {Profile: "patient", Interval: 500 * time.Millisecond, Tolerance: 4},
}

// Fast is the profile that needs the BPF lease and the right to run before others.
const Fast = "fast"

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
	if !ok {
		t.wrongWord("profile", "no such profile; normal, fast or patient", nearest(name, slices.Sorted(maps.Keys(profiles))))
		return profiles["normal"]
	}
	return h
}
