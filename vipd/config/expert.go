package config

import (
	"fmt"
	"time"
)

// pace is how checks go: of every group as the expert table has it, or of one.
type pace struct {
	interval, timeout, grace time.Duration
	rise, fall               int
}

// expert reads what is seldom set: how long a start waits, and the usual pace of checks. A start that waits for less
// than one dead time could miss a peer that beats.
func (root table) expert(h Heartbeat) (wait time.Duration, usual pace) {
	wait = max(DefaultStartWait, h.Dead())
	usual = pace{DefaultCheckInterval, DefaultCheckTimeout, DefaultStartGrace, DefaultRise, DefaultFall}
	t, ok := root.sub("expert", "a table such as [expert]")
	if !ok {
		return wait, usual
	}
	t.only("start_wait", "check_interval", "check_timeout", "rise", "fall", "start_grace")
	if t.duration("start_wait", "35s", 0, MaxStartWait, &wait) && wait < h.Dead() {
		t.wrong("start_wait", "%s is shorter than the dead time of %s; a living peer could be missed",
			short(wait), short(h.Dead()))
	}
	t.pace(&usual)
	return wait, usual
}

// pace reads how checks go, where the table says it.
func (t table) pace(p *pace) {
	t.duration("check_interval", "1s", MinCheckInterval, MaxCheckInterval, &p.interval)
	t.duration("check_timeout", "1s", MinCheckInterval, MaxCheckInterval, &p.timeout)
	t.duration("start_grace", "10s", 0, MaxStartGrace, &p.grace)
	t.number("rise", 1, MaxInARow, &p.rise)
	t.number("fall", 1, MaxInARow, &p.fall)
}

// patient refuses checks whose timeout is too long, where the group says it, or where the expert table does, once for
// all groups that take it from there.
func (root table) patient(groups []Group) {
	said := false
	for _, g := range groups {
		if len(g.Checks) == 0 || g.Checks[0].impatient() == "" {
			continue
		}
		own := root.at.find("group", g.Name).children
		for _, key := range []string{"check_timeout", "check_interval"} {
			at, is := own[key]
			if !is {
				continue
			}
			root.refuse(at.value, at.path, g.Checks[0].impatient(), "")
			break
		}
		if own["check_timeout"] != nil || own["check_interval"] != nil || said {
			continue
		}
		at := root.at.find("expert", "check_timeout")
		if at.path != "expert.check_timeout" {
			at = root.at.find("expert", "check_interval")
		}
		root.refuse(at.value, at.path, g.Checks[0].impatient(), "")
		said = true
	}
}

// impatient says why the check's timeout is too long, or nothing: while one check hangs, no other begins.
func (c Check) impatient() string {
	switch {
	case c.Timeout > MaxCheckTimeout:
		return fmt.Sprintf("check_timeout of %s is more than %s", short(c.Timeout), short(MaxCheckTimeout))
	case c.Timeout <= TimeoutIntervals*c.Interval:
		return ""
	}
	return fmt.Sprintf("check_timeout of %s is more than %d times check_interval of %s; make it at most %s, or check_interval at least %s",
		short(c.Timeout), TimeoutIntervals, short(c.Interval), short(TimeoutIntervals*c.Interval), short((c.Timeout+TimeoutIntervals-1)/TimeoutIntervals))
}
