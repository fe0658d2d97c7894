package node

import (
	"fmt"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/token"
)

// The claims of many tokens are said as a whole once in a while, however often they
// change, and the last change is not forgotten. A peer that lacks them waits as long.
func TestWholeOnceInAWhile(t *testing.T) {
	now := clock.Instant(time.Hour)
	c := Config{Self: 1, Session: 11, Peers: []uint8{2}, Config: token.Config{Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms, StartWait: time.Second}}
	for i := range 200 {
		c.Tokens = append(c.Tokens, spec(fmt.Sprint("vip:", i)))
	}
	m := New(c, now)
	wholes := func(ev Event) (n int) {
		for _, a := range m.Step(now, ev) {
			if s, ok := a.(heartbeat.Send); ok && s.AllPages {
				n++
			}
		}
		return n
	}
	if n := wholes(token.Eligibility{Token: 0, Reasons: token.LinkDown}); n != 1 {
		t.Fatalf("said whole %d times at the first change", n)
	}
	now = now.Add(ms)
	for i := range 3 {
		if n := wholes(token.Eligibility{Token: 1 + i, Reasons: token.LinkDown}); n != 0 {
			t.Fatalf("said whole %d times within a millisecond of the last", n)
		}
	}
	lacking := heartbeat.Received{From: 2, Session: 22, Arrived: now, Message: &heartbeat.Message{Kind: heartbeat.Beat, Seq: 1, Sent: now, RequestClaims: true,
		Echoes: []heartbeat.PeerEcho{{Slot: 1, Session: 11, Sent: 0}}}}
	if n := wholes(lacking); n != 0 {
		t.Errorf("said whole %d times to a peer within a millisecond of the last", n)
	}
	due := m.Deadline()
	if late := due.Sub(now); late <= 0 || late > 10*ms {
		t.Fatalf("the next is due %v later", late)
	}
	for now < due {
		now = due
		if n := wholes(Tick{}); n == 1 {
			return
		}
		due = m.Deadline()
	}
	t.Error("the last changes were never said")
}
