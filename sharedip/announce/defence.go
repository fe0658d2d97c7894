package announce

import (
	"time"
)

const (
	// defenceTime is DEFEND_INTERVAL of RFC 5227 section 1.1. Within it an address
	// is defended at most Defences times, defenceGap apart, whatever the claimant
	// does: two who defend without end would drown the LAN (section 2.4).
	defenceTime = 10 * time.Second
	Defences    = 5
	defenceGap  = time.Second
)

// defence says when one address is announced against a foreign claimant. The zero
// value says never.
type defence struct {
	due   time.Time // zero: no claim is unanswered
	claim time.Time // the last one
	made  [Defences]time.Time
	n     int // ever
}

// claimed wants the address defended as soon as that may be.
func (d *defence) claimed(now time.Time) {
	d.claim = now
	if !d.due.IsZero() {
		return
	}
	d.due = now
	for _, next := range []time.Time{
		d.made[d.n%Defences].Add(defenceTime),             // the oldest
		d.made[(d.n+Defences-1)%Defences].Add(defenceGap), // the newest
	} {
		if next.After(d.due) {
			d.due = next
		}
	}
}

func (d *defence) wanted(now time.Time) bool { return !d.due.IsZero() && !now.Before(d.due) }

// done notes a defence.
func (d *defence) done(now time.Time) {
	d.made[d.n%Defences] = now
	d.n++
	d.due = time.Time{}
}

func (d *defence) stop() { d.due = time.Time{} }

// disputed reports whether a foreign claim was seen of late. Until it is over,
// nothing but Defences is sent of our own accord.
func (d *defence) disputed(now time.Time) bool { return now.Sub(d.claim) < defenceTime }
