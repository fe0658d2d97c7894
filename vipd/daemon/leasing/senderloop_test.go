package leasing

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

// recorder keeps what a sender loop says.
type recorder struct {
	mu   sync.Mutex
	sent []heartbeat.Message
}

func (e *recorder) Send(_ heartbeat.Send, m heartbeat.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sent = append(e.sent, m)
}

func (e *recorder) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.sent)
}

const (
	beatInterval = 50 * time.Millisecond
	deadTime     = 3 * beatInterval
	leaseTime    = deadTime * 4 / 5
)

func newTestLoop(t *testing.T, wedged func(bool)) (*SenderLoop, *recorder, boot.Clocks) {
	start := time.Now()
	k := boot.Clocks{
		Now:  func() clock.Instant { return clock.Instant(time.Second + time.Since(start)) },
		Wall: func() clock.Wall { return clock.Wall(time.Now().UnixNano()) },
	}
	p, _ := openedPage(t, filepath.Join(t.TempDir(), "leases"))
	heard := &recorder{}
	b := NewSenderLoop(k, heartbeat.Config{Self: 1, Peers: []uint8{2}, Interval: beatInterval, Dead: deadTime, Lease: leaseTime}, heard, p, (*LeasedAddresses)(nil), wedged, func() {})
	b.Timer = newBubbleAlarm(k)
	return b, heard, k
}

// The lease in the page is min(limit, newest send + L), written with each send
// and at each change.
func TestLeasePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, k := newTestLoop(t, nil)
		now := k.Now()
		b.Stepped(now)
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		expect := func(when string, want clock.Instant) {
			t.Helper()
			if got := b.Page.Expiry(4); got != want {
				t.Errorf("%s: expires at %v, want %v", when, time.Duration(got), time.Duration(want))
			}
		}
		b.SetLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1}, Row{ID: 9, Epoch: 1})
		expect("without a limit", now.Add(leaseTime))
		b.SetLease(token.Lease{Token: 4, Limit: now.Add(10 * time.Millisecond), Epoch: 1}, Row{ID: 9, Epoch: 1})
		expect("limited", now.Add(10*time.Millisecond))
		time.Sleep(beatInterval)
		b.Stepped(k.Now())
		b.send(heartbeat.Send{Kind: heartbeat.Reply, To: 2})
		expect("a send beyond the limit", now.Add(10*time.Millisecond))
		b.SetLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1}, Row{ID: 9, Epoch: 1})
		expect("what has run out is not revived by a longer limit", now.Add(10*time.Millisecond))
		if late := b.Ended(); len(late) != 1 {
			t.Errorf("of the limit that came too late the loop hears %v", late)
		}
		b.SetLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1, Again: true}, Row{ID: 9, Epoch: 1})
		expect("the newest send counts, of whatever kind", now.Add(beatInterval+leaseTime))
		time.Sleep(leaseTime)
		b.Stepped(k.Now())
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		b.SetLease(token.Lease{Token: 4, Limit: k.Now().Add(time.Hour), Epoch: 1}, Row{ID: 9, Epoch: 1})
		expect("a send too late, and a limit from before the loop knows", now.Add(beatInterval+leaseTime))
		if late := b.Ended(); len(late) != 1 || late[0] != (token.Expired{Token: 4, Epoch: 1}) || b.Ended() != nil {
			t.Errorf("of the lease that had run out the loop hears %v", late)
		}
		b.SetLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 1, Again: true}, Row{ID: 9, Epoch: 1})
		expect("granted again", k.Now().Add(leaseTime))
		b.SetLease(token.Lease{Token: 4, Epoch: 1}, Row{ID: 9, Epoch: 1})
		expect("given up", 0)
		b.SetLease(token.Lease{Token: 4, Limit: clock.Never, Epoch: 2}, Row{ID: 9, Epoch: 2})
		extended := k.Now().Add(2 * time.Second)
		b.Extend(k.Now(), 2*time.Second)
		time.Sleep(beatInterval)
		b.Stepped(k.Now())
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		expect("a restart's lease stays", extended)
	})
}

// It beats every beatInterval, says what is asked at once, and is silent from one
// deadTime time after the loop's last step until the next.
func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wedges := make(chan bool, 4)
		b, heard, k := newTestLoop(t, func(on bool) { wedges <- on })
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		b.Stepped(k.Now())
		go b.Run(ctx)
		synctest.Wait()
		time.Sleep(beatInterval / 2)
		b.SendNow(heartbeat.Send{Kind: heartbeat.Query, To: 2})
		synctest.Wait()
		if n := heard.count(); n != 2 {
			t.Fatalf("said %d messages, want a beat and an ask", n)
		}
		time.Sleep(deadTime - beatInterval/2)
		synctest.Wait()
		if n := heard.count(); n != 5 || !b.Alive() { // at 0, 25, 50, 100 and 150 ms
			t.Errorf("said %d messages in a deadTime time, want 5", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := heard.count(); n != 5 || b.Alive() {
			t.Errorf("said %d messages, want none any more", n)
		}
		b.Stepped(k.Now())
		time.Sleep(beatInterval)
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
		b, heard, k := newTestLoop(t, nil)
		b.Stepped(k.Now())
		b.SetPayload(heartbeat.Payload{State: heartbeat.Up, Revision: 3, Claims: make([]heartbeat.Claim, 100)})
		b.send(heartbeat.Send{Kind: heartbeat.Beat})
		if len(heard.sent) != 1 || heard.sent[0].Claims != nil || heard.sent[0].Revision != 3 {
			t.Errorf("an ordinary beat is %+v", heard.sent)
		}
		heard.sent = nil
		b.send(heartbeat.Send{Kind: heartbeat.Beat, AllPages: true})
		claims, seq := 0, heard.sent[0].Seq
		for i, m := range heard.sent {
			if int(m.Page) != i || int(m.Pages) != len(heard.sent) || m.Seq != seq+uint64(i) {
				t.Errorf("message %d is page %d of %d with number %d", i, m.Page, m.Pages, m.Seq)
			}
			claims += len(m.Claims)
		}
		if claims != 100 || len(heard.sent) < 2 {
			t.Errorf("%d claims in %d messages", claims, len(heard.sent))
		}
	})
}

// The second of two nodes beats when a beat of the first brings its own forward, and then not
// again before an beatInterval has passed.
func TestBeatAfterThePeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, heard, k := newTestLoop(t, nil)
		b.sender = node.NewSender(heartbeat.Config{Self: 2, Peers: []uint8{1}, Interval: beatInterval, Dead: deadTime, Lease: leaseTime}, k.Now())
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go b.Run(ctx)
		synctest.Wait()
		for i, c := range []struct {
			after time.Duration
			beats int
		}{{beatInterval / 4, 1}, {beatInterval / 2, 2}, {beatInterval / 4, 2}, {beatInterval * 3 / 4, 3}} {
			time.Sleep(c.after)
			b.Stepped(k.Now())
			b.Follow()
			synctest.Wait()
			if n := heard.count(); n != c.beats {
				t.Errorf("after beat %d of the peer: %d beats, want %d", i+1, n, c.beats)
			}
		}
	})
}

// bubbleAlarm waits in virtual time, where no kernel is.
type bubbleAlarm struct {
	boot.Clocks
	once  sync.Once
	ended chan struct{}
}

func newBubbleAlarm(k boot.Clocks) *bubbleAlarm {
	return &bubbleAlarm{Clocks: k, ended: make(chan struct{})}
}

func (b *bubbleAlarm) Wait(at clock.Instant) bool {
	timer := time.NewTimer(b.Until(at))
	defer timer.Stop()
	select {
	case <-b.ended:
		return false
	case <-timer.C:
		return true
	}
}

// Move leaves the wait as it is: a sender loop that wakes early finds no beat due.
func (b *bubbleAlarm) Move(clock.Instant) {}

func (b *bubbleAlarm) Stop() { b.once.Do(func() { close(b.ended) }) }
