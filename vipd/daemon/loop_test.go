package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vipd/heartbeat"
	"vipd/token"
	"vipd/vipd/node"
)

const (
	interval = 50 * time.Millisecond
	dead     = 3 * interval
)

// The taker takes exactly one dead time after the last message that reached it.
func TestTakesAfterOneDeadTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		killed := time.Now()
		p.a.kill()
		time.Sleep(time.Second)
		takes := p.b.hands.After(killed, "take")
		if len(takes) != 1 {
			t.Fatalf("took %d times, want once", len(takes))
		}
		if silence := takes[0].At.Sub(p.b.arrived); silence != dead {
			t.Errorf("took %v after the last message, want exactly %v", silence, dead)
		}
		if !slices.Contains(p.b.texts(), "vip:front taking from hist-a (peer-silent)") {
			t.Errorf("the journal does not say why: %q", p.b.texts())
		}
	})
}

// A loop that does not step is not spoken for: no beat, no lease, no lifetime.
// When it steps again it gives everything up before anything else.
func TestWedgedLoopFallsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		wedge := make(chan struct{})
		wedged := time.Now()
		p.a.d.loop.events <- callOnLoop{func() { <-wedge }}
		time.Sleep(dead + interval)
		quiet := time.Now()
		lease := p.a.d.page.Expiry(0)
		time.Sleep(4 * time.Second)
		if late := p.a.messages(wedged.Add(dead + interval)); len(late) != 0 {
			t.Fatalf("a message left %v after the loop stood still", late[0].at.Sub(wedged))
		}
		if p.a.d.page.Expiry(0) != lease {
			t.Error("the lease was renewed without the loop")
		}
		if n := len(p.a.hands.After(quiet, "renew")); n != 0 {
			t.Errorf("the kernel's lifetime was renewed %d times without the loop", n)
		}
		if !p.b.hands.Holds(front) {
			t.Error("the other host did not take")
		}
		status := p.a.d.Status()
		if !slices.ContainsFunc(status.Alarms, func(s string) bool { return strings.Contains(s, "loop did not step") }) {
			t.Errorf("status does not say that the loop stands: %q", status.Alarms)
		}
		if age := time.Since(status.AsOf); age < 4*time.Second {
			t.Errorf("status is %v old, but the loop stands", age)
		}
		if p.a.d.loop.owned(front, 0) {
			t.Error("the hands may still announce")
		}
		freed := time.Now()
		close(wedge)
		time.Sleep(10 * time.Millisecond)
		if deeds := p.a.hands.After(freed, "take", "drop", "announce", "renew"); len(deeds) == 0 || deeds[0].What != "drop" {
			t.Errorf("did %v first, want to drop", deeds)
		}
		p.settle() // the higher priority, by an agreed move
	})
}

// Stop: the address is off before the peer is told, the peer takes at once,
// and the daemon has ended before its limit.
func TestStopResignsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		time.Sleep(time.Second)
		asked := time.Now()
		p.a.stop()
		if err := <-p.a.end; err != nil {
			t.Errorf("ended with %v", err)
		}
		p.a.end <- nil
		time.Sleep(time.Second)
		dropped, taken := p.a.hands.After(asked, "drop"), p.b.hands.After(asked, "take")
		if len(dropped) != 1 || len(taken) != 1 {
			t.Fatalf("dropped %d, taken %d times", len(dropped), len(taken))
		}
		told := time.Time{}
		for _, s := range p.a.messages(asked) {
			if len(s.m.Claims) > 0 && token.Phase(s.m.Claims[0].Phase) == token.Idle {
				told = s.at
				break
			}
		}
		if told.Before(dropped[0].At) || taken[0].At.Before(told) {
			t.Errorf("dropped at %v, told at %v, taken at %v", dropped[0].At.Sub(asked), told.Sub(asked), taken[0].At.Sub(asked))
		}
		if took := taken[0].At.Sub(asked); took > interval {
			t.Errorf("the peer took after %v; it must not wait for silence", took)
		}
	})
}

// A daemon that is restarted, or that crashed and is back within its lease, goes
// on with what it held: same epoch, same tenure, and the peer does nothing.
func TestRestartAdopts(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*host) error
		away time.Duration
	}{
		{"restart", func(h *host) error {
			h.d.loop.events <- node.Restart{}
			err := <-h.end
			h.d.Close()
			return err
		}, time.Second},
		{"crash", func(h *host) error { h.kill(); return errRestart }, 30 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPair(t, pairConfig)
				p.settle()
				time.Sleep(time.Second)
				before := tokenOf(p.a.d.Status(), front)
				from := time.Now()
				if err := c.end(p.a); !errors.Is(err, errRestart) {
					t.Fatalf("ended with %v", err)
				}
				time.Sleep(c.away)
				p.a.boot()
				time.Sleep(2 * time.Second)
				after := tokenOf(p.a.d.Status(), front)
				if after.Epoch != before.Epoch || after.Holder != "hist-a" {
					t.Errorf("held by %q with epoch %d, want hist-a with %d", after.Holder, after.Epoch, before.Epoch)
				}
				if grown := *after.SinceMS - *before.SinceMS; grown < 1000 {
					t.Errorf("the tenure grew by %v ms only: it was broken", grown)
				}
				if deeds := p.a.hands.After(from, "drop"); len(deeds) != 0 {
					t.Errorf("dropped %v", deeds)
				}
				if deeds := p.b.hands.After(from, "take"); len(deeds) != 0 {
					t.Errorf("the peer took %v", deeds)
				}
			})
		})
	}
}

// Back after its lease has ended, a daemon first removes what is still up, and
// comes back as one that holds nothing.
func TestLateRestartRejoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, strings.Replace(pairConfig, "[vip.front]", "[vip.front]\nauto_failback = false", 1))
		p.settle()
		time.Sleep(time.Second)
		from := time.Now()
		p.a.kill()
		time.Sleep(time.Second)
		p.a.boot()
		time.Sleep(2 * time.Second)
		if deeds := p.a.hands.After(from, "take", "drop", "announce"); len(deeds) != 1 || deeds[0].What != "drop" {
			t.Errorf("did %v, want one drop", deeds)
		}
		for _, s := range p.a.messages(from) {
			if len(s.m.Claims) > 0 && token.Phase(s.m.Claims[0].Phase) != token.Idle {
				t.Error("claimed to hold after it came back")
				break
			}
		}
		if !p.b.hands.Holds(front) {
			t.Error("the other host lost it")
		}
	})
}

// A total cut of one second with failback off moves nothing: both hold
// meanwhile, by design, and the one who held goes on.
func TestOneSecondCutMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, strings.Replace(pairConfig, "[vip.front]", "[vip.front]\nauto_failback = false", 1))
		p.settle()
		time.Sleep(time.Second)
		from := time.Now()
		p.setCut(true)
		time.Sleep(time.Second)
		if !p.a.hands.Holds(front) || !p.b.hands.Holds(front) {
			t.Error("both are to hold during a total cut")
		}
		p.setCut(false)
		p.settle()
		time.Sleep(time.Second)
		if deeds := p.a.hands.After(from, "drop"); len(deeds) != 0 {
			t.Errorf("the holder dropped: %v", deeds)
		}
		if deeds := p.b.hands.After(from, "take", "drop"); len(deeds) != 2 {
			t.Errorf("the other did %v, want a take and a drop", deeds)
		}
		a := p.a.hands.After(from, "announce")
		if b := p.b.hands.After(from, "announce"); len(a) == 0 || len(b) > 0 && !b[len(b)-1].At.Before(a[len(a)-1].At) {
			t.Error("the last announcement is not the holder's")
		}
	})
}

// What waited for the loop from before a freeze is thrown away; what hands and
// people said is not.
func TestFlushKeepsWhatIsNoMessage(t *testing.T) {
	l := &loop{events: make(chan any, 8)}
	for _, ev := range []any{heartbeat.Received{}, token.Down{Token: 1}, heartbeat.Received{}, linksChanged{}} {
		l.events <- ev
	}
	l.flush()
	if len(l.events) != 0 || len(l.kept) != 2 || l.kept[0] != any(token.Down{Token: 1}) {
		t.Errorf("kept %v, %d left", l.kept, len(l.events))
	}
}

// Hands that fail are heard of, tried again, and the peer takes meanwhile.
func TestHandsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, pairConfig)
		p.settle()
		p.a.hands.Change(func() { p.a.hands.Refuse = map[string]error{"take": errors.New("no room")} })
		p.a.kill()
		p.a.hands.Set(front, false) // its lifetime ends
		time.Sleep(time.Second)
		p.a.boot()
		time.Sleep(time.Second)
		if !p.b.hands.Holds(front) {
			t.Fatal("nobody holds")
		}
		status := tokenOf(p.a.d.Status(), front)
		for _, e := range status.Eligible {
			if e.Node == "hist-a" && (e.Fit || !slices.Contains(e.Reasons, "no room")) {
				t.Errorf("status of hist-a is %+v, want the hands' words", e)
			}
		}
	})
}

// All that the hands have done by now is one event; what others told keeps its turn.
func TestGather(t *testing.T) {
	l := &loop{events: make(chan any, 8)}
	for _, ev := range []any{token.Down{Token: 2}, linksChanged{}, token.Up{Token: 3, Epoch: 7}} {
		l.events <- ev
	}
	got := l.gather(token.Up{Token: 1, Epoch: 5})
	want := token.Batch{token.Up{Token: 1, Epoch: 5}, token.Down{Token: 2}, token.Up{Token: 3, Epoch: 7}}
	if !slices.Equal(got, want) {
		t.Errorf("gathered %v, want %v", got, want)
	}
	if len(l.kept) != 1 || l.kept[0] != any(linksChanged{}) {
		t.Errorf("kept %v", l.kept)
	}
}
