package daemon

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/sharedip"
	"vipd/token"
)

var sharedPrefix = netip.MustParsePrefix("192.0.2.10/24")

// claim has the host told once a second for a while that the senders claim its address.
func (h *host) claim(while time.Duration, froms ...sender) {
	for end := time.Now().Add(while); time.Now().Before(end); time.Sleep(time.Second) {
		for _, from := range froms {
			h.d.claimed(sharedip.Claimed{Token: front, Prefix: sharedPrefix, MAC: net.HardwareAddr(from.mac[:])})
		}
	}
	synctest.Wait()
}

// takes lets time pass until the host has taken the address, at most 5 s.
func (h *host) takes() {
	h.pair.t.Helper()
	for range 5000 {
		if h.hands.Holds(front) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	h.pair.t.Errorf("%s does not take", h.name)
}

func (h *host) defences() int { return len(h.hands.After(time.Time{}, "defend")) }

// A stranger's claim that goes on is said at once and then once a minute, with how often
// it was seen; in status it stays as long as it goes on, and a minute more.
func TestClaimThatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		const text = "vip:front: 192.0.2.10 is claimed by 02:00:00:00:00:07, which is no node of the cluster"
		p.a.claim(time.Second, frameFrom(7))
		if got := p.a.saidWith("is claimed"); len(got) != 1 || got[0] != text {
			t.Fatalf("said %q", got)
		}
		for range 10 {
			p.a.claim(29*time.Second, frameFrom(7))
			if !strings.Contains(alarms(p.a), text) {
				t.Fatalf("no alarm while it goes on: %s", alarms(p.a))
			}
		}
		got := p.a.saidWith("is claimed")
		if len(got) != 5 || got[1] != text+" (59 more claims since that was said)" {
			t.Errorf("said %q, want five lines in 291 s", got)
		}
		time.Sleep(claimShown - 10*time.Second)
		if !strings.Contains(alarms(p.a), text) {
			t.Error("the alarm is over at once")
		}
		time.Sleep(12 * time.Second)
		if strings.Contains(alarms(p.a), "is claimed") || len(p.a.d.loop.claims) != 0 {
			t.Errorf("the alarm does not end: %s; %v", alarms(p.a), p.a.d.loop.claims)
		}
		p.a.claim(time.Second, frameFrom(7))
		if got := p.a.saidWith("is claimed"); len(got) != 6 || got[5] != text {
			t.Errorf("said %q, want it at once when it begins again", got)
		}
	})
}

// However many hardware addresses claim an address, some are named and the others are one.
func TestClaimsOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		var many []sender
		for n := range 50 {
			many = append(many, frameFrom(1000+n))
		}
		p.a.claim(50*time.Second, many...)
		if got := p.a.saidWith("claimed by"); len(got) != claimantsNamed+1 || !strings.Contains(got[claimantsNamed], "is claimed by more than 4 hardware addresses") {
			t.Errorf("said %q", got)
		}
		if n := strings.Count(alarms(p.a), "is claimed"); n != claimantsNamed+1 {
			t.Errorf("%d alarms", n)
		}
	})
}

// A node that is heard may claim what it is about to have. One that is not heard is an
// alarm when it claims again, and what is held is defended against it.
func TestClaimOfASilentNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		claims := func(while time.Duration) {
			p.b.d.claimed(sharedip.Claimed{Token: front, Prefix: sharedPrefix, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 7}, By: netip.MustParseAddr("192.0.2.11")})
			time.Sleep(while)
		}
		claims(time.Second)
		claims(time.Second)
		p.a.kill()
		p.b.takes()
		claims(10 * time.Second) // alone, and long before the next
		claims(time.Second)
		synctest.Wait()
		if got := p.b.saidWith("is claimed"); len(got) != 0 || p.b.defences() != 0 {
			t.Fatalf("said %q, and %d defences", got, p.b.defences())
		}
		claims(time.Second)
		const text = "vip:front: 192.0.2.10 is claimed by 02:00:00:00:00:07, a hardware address of hist-a, which is not heard"
		if got := p.b.saidWith("is claimed"); len(got) != 1 || got[0] != text || p.b.defences() != 1 {
			t.Errorf("said %q, and %d defences", got, p.b.defences())
		}
		if !strings.Contains(alarms(p.b), text) {
			t.Errorf("alarms: %s", alarms(p.b))
		}
		p.a.boot()
		time.Sleep(time.Second)
		claims(time.Second)
		if p.b.defences() != 1 {
			t.Error("defended against a node that is heard")
		}
	})
}

// Where the silent holder's address is answered for to the last, the take says so, and
// status for a while after it; where the answers had ended before, or the holder gave the
// address, nothing is said.
func TestTakeAgainstAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFramePair(t)
		take := func(after time.Duration, c token.Cause) {
			p.b.onLoop(func() {
				l := p.b.d.loop
				l.answerers[0] = answerer{token.UnprovedAnswer{MAC: frameFrom(7).mac}, l.Now().Add(-after)}
				l.warnOfTake(token.Acquire{Token: 0, From: 1, Cause: c})
			})
			synctest.Wait()
		}
		p.b.onLoop(func() { p.b.d.loop.warnOfTake(token.Acquire{Token: 0, From: 1, Cause: token.PeerSilent}) })
		take(p.b.d.loop.dead, token.PeerSilent)
		take(0, token.Priority)
		if got := p.b.saidWith("taken although"); len(got) != 0 {
			t.Errorf("said %q", got)
		}
		take(time.Millisecond, token.PeerSilent)
		const text = "vip:front: taken although 02:00:00:00:00:07 answers for it: something answers in the place of hist-a, or it lives and its heartbeats on the clients' network (EtherType 0x88B5) do not pass"
		if got := p.b.saidWith("taken although"); len(got) != 1 || got[0] != text {
			t.Errorf("said %q", got)
		}
		if !strings.Contains(alarms(p.b), text) {
			t.Errorf("alarms: %s", alarms(p.b))
		}
		time.Sleep(claimShown + time.Second)
		if strings.Contains(alarms(p.b), "taken although") {
			t.Error("the alarm does not end")
		}
	})
}
