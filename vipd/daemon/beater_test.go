package daemon

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/token"
	"vipd/vipd/node"
)

// ear keeps what a beater says.
type ear struct {
	mu   sync.Mutex
	said []heartbeat.Message
}

func (e *ear) Send(_ heartbeat.Send, m heartbeat.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = append(e.said, m)
}

func (e *ear) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.said)
}

const leaseTime = dead * 4 / 5

func newTestBeater(t *testing.T, wedged func(bool)) (*beater, *ear, boot.Clocks) {
	k := (&pair{start: time.Now()}).clocks()
	p, _ := openedPage(t, filepath.Join(t.TempDir(), "leases"))
	heard := &ear{}
	b := newBeater(k, heartbeat.Config{Self: 1, Peers: []uint8{2}, Interval: interval, Dead: dead, Lease: leaseTime}, heard, p, (*deadman)(nil), wedged, func() {})
	b.alarm = newBubble(k, nil)
	return b, heard, k
}

// The lease in the page is min(limit, newest send + L), written with each send
// and at each change.
func TestLeasePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, k := newTestBeater(t, nil)
		now := k.Now()
		b.stepped(now)
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		expect := func(when string, want clock.Instant) {
			t.Helper()
			if got := b.page.expiry(4); got != want {
				t.Errorf("%s: expires at %v, want %v", when, time.Duration(got), time.Duration(want))
			}
		}
		b.setLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1}, row{id: 9, epoch: 1})
		expect("without a limit", now.Add(leaseTime))
		b.setLease(token.Lease{Token: 4, Limit: now.Add(10 * time.Millisecond), Epoch: 1}, row{id: 9, epoch: 1})
		expect("limited", now.Add(10*time.Millisecond))
		time.Sleep(interval)
		b.stepped(k.Now())
		b.send(heartbeat.Send{Kind: heartbeat.Reply, To: 2})
		expect("a send beyond the limit", now.Add(10*time.Millisecond))
		b.setLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1}, row{id: 9, epoch: 1})
		expect("what has run out is not revived by a longer limit", now.Add(10*time.Millisecond))
		if late := b.ended(); len(late) != 1 {
			t.Errorf("of the limit that came too late the loop hears %v", late)
		}
		b.setLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1, Again: true}, row{id: 9, epoch: 1})
		expect("the newest send counts, of whatever kind", now.Add(interval+leaseTime))
		time.Sleep(leaseTime)
		b.stepped(k.Now())
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		b.setLease(token.Lease{Token: 4, Limit: k.Now().Add(time.Hour), Epoch: 1}, row{id: 9, epoch: 1})
		expect("a send too late, and a limit from before the loop knows", now.Add(interval+leaseTime))
		if late := b.ended(); len(late) != 1 || late[0] != (token.Expired{Token: 4, Epoch: 1}) || b.ended() != nil {
			t.Errorf("of the lease that had run out the loop hears %v", late)
		}
		b.setLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1, Again: true}, row{id: 9, epoch: 1})
		expect("granted again", k.Now().Add(leaseTime))
		b.setLease(token.Lease{Token: 4, Epoch: 1}, row{id: 9, epoch: 1})
		expect("given up", 0)
		b.setLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 2}, row{id: 9, epoch: 2})
		extended := k.Now().Add(2 * time.Second)
		b.extend(k.Now(), 2*time.Second)
		time.Sleep(interval)
		b.stepped(k.Now())
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		expect("a restart's lease stays", extended)
	})
}

// It beats every interval, says what is asked at once, and is silent from one
// dead time after the loop's last step until the next.
func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wedges := make(chan bool, 4)
		b, heard, k := newTestBeater(t, func(on bool) { wedges <- on })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		b.stepped(k.Now())
		go b.run(ctx)
		synctest.Wait()
		time.Sleep(interval / 2)
		b.say(heartbeat.Send{Kind: heartbeat.Query, To: 2})
		synctest.Wait()
		if n := heard.count(); n != 2 {
			t.Fatalf("said %d messages, want a beat and an ask", n)
		}
		time.Sleep(dead - interval/2)
		synctest.Wait()
		if n := heard.count(); n != 5 || !b.alive() { // at 0, 25, 50, 100 and 150 ms
			t.Errorf("said %d messages in a dead time, want 5", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := heard.count(); n != 5 || b.alive() {
			t.Errorf("said %d messages, want none any more", n)
		}
		b.stepped(k.Now())
		time.Sleep(interval)
		synctest.Wait()
		if n := heard.count(); n != 6 || len(wedges) != 2 || !<-wedges || <-wedges {
			t.Errorf("said %d messages, and not told of the silence and its end", n)
		}
	})
}

// Claims that take several messages are all said when they are asked for or
// changed, and are left out of an ordinary beat.
func TestWholePages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, heard, k := newTestBeater(t, nil)
		b.stepped(k.Now())
		b.words(heartbeat.Payload{State: heartbeat.Up, Revision: 3, Claims: make([]heartbeat.Claim, 100)})
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		if len(heard.said) != 1 || heard.said[0].Claims != nil || heard.said[0].Revision != 3 {
			t.Errorf("an ordinary beat is %+v", heard.said)
		}
		heard.said = nil
		b.send(heartbeat.Send{Kind: heartbeat.Beat, AllPages: true})
		claims, seq := 0, heard.said[0].Seq
		for i, m := range heard.said {
			if int(m.Page) != i || int(m.Pages) != len(heard.said) || m.Seq != seq+uint64(i) {
				t.Errorf("message %d is page %d of %d with number %d", i, m.Page, m.Pages, m.Seq)
			}
			claims += len(m.Claims)
		}
		if claims != 100 || len(heard.said) < 2 {
			t.Errorf("%d claims in %d messages", claims, len(heard.said))
		}
	})
}

// The second of two nodes beats when a beat of the first brings its own forward, and then not
// again before an interval has passed.
func TestBeatAfterThePeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, heard, k := newTestBeater(t, nil)
		b.sender = node.NewSender(heartbeat.Config{Self: 2, Peers: []uint8{1}, Interval: interval, Dead: dead, Lease: leaseTime}, k.Now())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go b.run(ctx)
		synctest.Wait()
		for i, c := range []struct {
			after time.Duration
			beats int
		}{{interval / 4, 1}, {interval / 2, 2}, {interval / 4, 2}, {interval * 3 / 4, 3}} {
			time.Sleep(c.after)
			b.stepped(k.Now())
			b.follow()
			synctest.Wait()
			if n := heard.count(); n != c.beats {
				t.Errorf("after beat %d of the peer: %d beats, want %d", i+1, n, c.beats)
			}
		}
	})
}
