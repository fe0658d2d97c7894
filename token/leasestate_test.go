package token

import (
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// A term is min(limit, newest send + L), and comes back only when it is granted
// again once a send has found it run out.
func TestTerm(t *testing.T) {
	at := func(ms int64) clock.Instant { return clock.Instant(ms * int64(time.Millisecond)) }
	term := LeaseState{Length: 120 * time.Millisecond}
	grant := func(limit clock.Instant, again bool) func(clock.Instant) bool {
		return func(sent clock.Instant) bool {
			return term.Grant(Lease{Limit: limit, Epoch: 7, Again: again}, sent, sent)
		}
	}
	for _, row := range []struct {
		what  string
		do    func(clock.Instant) bool
		sent  clock.Instant
		want  clock.Instant
		ended bool
	}{
		{"adopted before the first send", grant(at(50), false), 0, at(50), false},
		{"a send does not outlive the limit", term.Renew, at(10), at(50), false},
		{"without a limit the newest send counts", grant(clock.Never, false), at(10), at(130), false},
		{"renewed", term.Renew, at(100), at(220), false},
		{"a send too late", term.Renew, at(220), at(220), true},
		{"is told once", term.Renew, at(221), at(220), false},
		{"a new limit does not revive it", grant(at(500), false), at(221), at(220), false},
		{"granted again", grant(at(500), true), at(221), at(341), false},
		{"a limit in the past", grant(at(230), false), at(240), at(230), false},
		{"is no send's fault", term.Renew, at(250), at(230), false},
		{"an echo moves it on", grant(at(360), true), at(250), at(360), false},
		{"given up", grant(0, false), at(260), 0, false},
		{"renews nothing", term.Renew, at(300), 0, false},
		{"taken anew", grant(clock.Never, false), at(300), at(420), false},
		{"a longer limit that comes too late", grant(at(900), false), at(420), at(420), true},
		{"bounded", grant(at(310), true), at(300), at(310), false},
		{"unbounded too late", grant(clock.Never, false), at(310), at(310), true},
		{"stays over", term.Renew, at(311), at(310), false},
	} {
		if ended := row.do(row.sent); ended != row.ended || term.Expiry() != row.want {
			t.Errorf("%s: until %v, ended %v; want %v, %v", row.what, time.Duration(term.Expiry()), ended, time.Duration(row.want), row.ended)
		}
	}
}
