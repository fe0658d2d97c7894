package window

import "time"

// SPMConfig times source path messages (RFC 3208 sections 5.1.4 and 5.1.5).
type SPMConfig struct {
	Ambient time.Duration // between ambient SPMs, sent all the time
	Min     time.Duration // IHB_MIN: from the last data to the first heartbeat SPM
	Max     time.Duration // IHB_MAX: the interval doubles up to this
}

// SPMTimer tells when the next source path message is due.
type SPMTimer struct {
	c        SPMConfig
	ambient  Instant
	interval time.Duration // to the next heartbeat
	beat     Instant       // when it is due; Never before any data
}

// NewSPMTimer makes a timer whose first SPM is due at once.
func NewSPMTimer(now Instant, c SPMConfig) *SPMTimer {
	return &SPMTimer{c: c, ambient: now, beat: Never}
}

// Data restarts the heartbeat: ODATA or RDATA was sent.
func (t *SPMTimer) Data(now Instant) {
	t.interval = t.c.Min
	t.beat = now.Add(t.interval)
}

// Due reports whether an SPM must be sent now, and counts it as sent.
func (t *SPMTimer) Due(now Instant) bool {
	due := false
	if now >= t.ambient {
		t.ambient, due = now.Add(t.c.Ambient), true
	}
	if now >= t.beat {
		t.interval = min(2*t.interval, t.c.Max)
		t.beat, due = now.Add(t.interval), true
	}
	return due
}

// Deadline is when Due is to be asked next.
func (t *SPMTimer) Deadline() Instant { return min(t.ambient, t.beat) }
