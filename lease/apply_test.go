package lease

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/nftables"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/testlab/rig"
)

// What differs from what the kernel was told is told, and nothing else.
func TestLedger(t *testing.T) {
	l := newLedger()
	l.add([]netip.Addr{shared4, shared6})
	now := clock.Instant(100)
	expect := func(what string, want ...lifetime) {
		t.Helper()
		got := l.changed(now)
		if len(got) != len(want) || len(got) == 1 && got[0] != want[0] {
			t.Errorf("%s: to be told %v, want %v", what, got, want)
		}
	}
	expect("never renewed")
	l.cells[shared4].Store(200)
	expect("renewed", lifetime{shared4, 200})
	l.tell(l.changed(now))
	expect("told")
	l.cells[shared4].Store(300)
	l.cells[shared4].Store(400)
	expect("renewed twice", lifetime{shared4, 400})
	l.cells[shared4].Store(0)
	expect("ended before its time", lifetime{shared4, 0})
	now = 250
	expect("over in the kernel too")
	l.tell(ended([]lifetime{{shared4, 400}}))
	l.cells[shared4].Store(500)
	expect("renewed after the kernel was too slow", lifetime{shared4, 500})
	l.remove([]netip.Addr{shared4, shared6})
	expect("removed")
}

// While a transaction does not end, whoever renews does not wait; the older expiry is in
// force and ends; it is said that the kernel does not answer; and after it all is well.
func TestNothingWaitsForATransaction(t *testing.T) {
	owner, _ := pair(t)
	l := open(t, owner.Host(), Options{Prefer: Nftables})
	x := arm(t, l, shared4, owner.Index())
	r := l.in.(*ruleset)
	first := boot.Now().Add(time.Second)
	if err := l.Renew([]Renewal{{x, first}}); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock() // what a transaction that is under way holds
	posted := make(chan error)
	go func() {
		for {
			err := l.Post([]Renewal{{x, boot.Now().Add(time.Minute)}})
			posted <- err
			if err != nil {
				return
			}
		}
	}()
	for err := error(nil); err == nil; {
		select {
		case err = <-posted:
		case <-time.After(10 * time.Second):
			t.Fatal("a renewal waits for the transaction")
		}
	}
	for boot.Now() < first {
		time.Sleep(10 * time.Millisecond)
	}
	if passes(t, owner, shared4) {
		t.Error("the address answers after the lease that the kernel was told of")
	}
	events := r.audit()
	for end := time.Now().Add(10 * time.Second); len(events) == 0 && time.Now().Before(end); events = r.audit() {
		time.Sleep(10 * time.Millisecond)
	}
	if len(events) != 1 || events[0].Err == nil {
		t.Errorf("told %v", events)
	}
	r.mu.Unlock()
	if err := l.Sync(); err != nil {
		t.Error(err)
	}
	if !passes(t, owner, shared4) {
		t.Error("the lease is not in force after all")
	}
	if err := l.Post([]Renewal{{x, boot.Now().Add(time.Minute)}}); err != nil {
		t.Error(err)
	}
}

// Somebody flushes the ruleset again and again. Every time it is back by the next renewal,
// with the leases that are valid valid and the others expired, and nothing is refused.
func TestFlushedAgainAndAgain(t *testing.T) {
	owner, _ := pair(t)
	l := open(t, owner.Host(), Options{Prefer: Nftables})
	valid, expired := arm(t, l, shared4, owner.Index()), arm(t, l, shared6, owner.Index())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); l.Watch(ctx, func(Event) {}) }()
	defer func() { stop(); <-ended }()
	until := boot.Now().Add(time.Hour)
	for range trials() {
		if err := nft(owner, (*nftables.Conn).FlushRuleset); err != nil {
			t.Fatal(err)
		}
		until = until.Add(time.Second)
		if err := l.Post([]Renewal{{valid, until}}); err != nil && l.in.(*ruleset).failing.Load() != nil {
			t.Errorf("refused: %v", err)
		}
		if err := l.Sync(); err != nil {
			t.Errorf("refused: %v", err)
		}
		if !passes(t, owner, shared4) || passes(t, owner, shared6) {
			t.Fatal("the leases are not in force again")
		}
		if expired.Expiry() != 0 {
			t.Error("an expired lease has life")
		}
	}
}

// What cannot be answered ends in time, and the next request is not taken in by what is
// left of the one before.
func TestAnswersThatNeverCome(t *testing.T) {
	owner := rig.Start(t).Host("owner")
	var n *netfilter
	err := owner.Do(func() (err error) {
		n, err = dialNetfilter()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	missing := &nftables.Table{Family: nftables.TableFamilyNetdev, Name: "missing"}
	for range 3 {
		for range 5 {
			n.DelTable(missing)
		}
		if err := n.Flush(); err == nil {
			t.Error("a table that is not there was deleted")
		}
		n.AddTable(&nftables.Table{Family: nftables.TableFamilyNetdev, Name: "there"})
		if err := n.Flush(); err != nil {
			t.Errorf("after what was refused: %v", err)
		}
	}
	begun := time.Now()
	err = n.within(func() error {
		_, err := n.socket.Receive() // nobody was asked
		return err
	})
	if took := time.Since(begun); err == nil || took < callTime/2 || took > 10*callTime {
		t.Errorf("an answer that does not come: %v after %v", err, took)
	}
}
