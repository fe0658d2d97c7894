package config

import "time"

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
