package daemon

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"vipd/lease"
	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/daemon/addresses"
)

// updateEligibility tells the machine of each token what speaks against this host.
func (l *loop) updateEligibility() {
	l.doubtful = false
	var news token.Batch
	for i, w := range l.workers {
		if w == nil {
			continue
		}
		r, why := l.against(i, w)
		if l.failed[i] = why; why == "" {
			delete(l.failed, i)
		}
		if l.reason[i] != r {
			l.reason[i] = r
			news = append(news, token.Eligibility{Token: i, Reasons: r})
		}
	}
	if len(news) > 0 {
		l.step(news)
	}
}

// reasonOf is the reason that an error of Ready is.
func reasonOf(err error) token.Reason {
	if errors.Is(err, sharedip.ErrUnable) {
		return token.Unable
	}
	return token.LinkDown
}

// against returns what speaks against this host for one token, and the first of it in
// words.
func (l *loop) against(i int, w *addresses.Worker) (r token.Reason, why string) {
	note := func(reason token.Reason, text string) {
		if r |= reason; why == "" {
			why = text
		}
	}
	if l.diskRefuses && l.needsRecord(i) {
		note(token.NoEpoch, "")
	}
	if w.IsGroup() {
		return r, why
	}
	if l.lacking != nil {
		note(token.Unable, l.lacking.Error())
	}
	if err := l.reachable(i, w.Name()); err != nil {
		note(reasonOf(err), err.Error())
	}
	now := time.Now()
	if until, ok := l.fights[i]; ok && now.Before(until) {
		note(token.HandsFailed, "somebody keeps removing its address")
	}
	if f, ok := l.takes[i]; ok && now.Before(f.until) {
		note(token.TakeFailed, f.text)
	}
	for _, part := range l.open {
		if now.Sub(part.since) >= openFor {
			note(token.LeaseOpen, part.text)
		}
	}
	return r, why
}

// needsRecord reports whether the token can be taken only with a record on disk. What is
// held has one.
func (l *loop) needsRecord(i int) bool {
	tokens := l.machine.Tokens()
	return tokens.Spec(i).Bits&token.DisableInheritance != 0 && tokens.Phase(i) == token.Idle
}

// openLease is a part of what enforces the leases that is gone: what is held would answer
// on when this daemon dies, beside the node that takes it.
type openLease struct {
	since time.Time
	text  string
}

// openFor is how long such a part may be gone before a node whose leases are in force is
// the better one: an interface that goes away takes its filters with it a little earlier.
const openFor = 2 * time.Second

// setLeaseState notes whether the part is gone. Those of control groups silence no address.
func (l *loop) setLeaseState(what string, err error) {
	if strings.HasPrefix(what, lease.OfGroup) {
		return
	}
	delete(l.open, what)
	if err != nil {
		l.open[what] = openLease{time.Now(), fmt.Sprintf("%s is gone and can't be put back: %v", what, err)}
		time.AfterFunc(openFor, func() { l.tell(linksChanged{}) })
	}
	l.doubtful = true
}

// failedTake is a token that could not be put up here, or not be kept up.
type failedTake struct {
	text  string
	count int       // in a row
	until time.Time // another fit node is better until then
}

// How long a failed take makes any fit node the better one: twice as long each time. A
// failback that fails costs clients an interruption, so it must not be tried for ever.
const (
	distrustFirst = 10 * time.Second
	distrustMost  = 30 * time.Minute
)

// distrust notes a failed take.
func (l *loop) distrust(i int, err error) {
	f := l.takes[i]
	f.text = err.Error()
	f.until = time.Now().Add(min(distrustFirst<<min(f.count, 16), distrustMost))
	f.count++
	l.takes[i], l.doubtful = f, true
}

// lost gives up a token of which an address is gone, or silent, and stays so.
func (l *loop) lost(name string, err error) {
	i := l.number(name)
	if i < 0 {
		return
	}
	v := l.machine.Tokens().Status(l.Now(), i)
	if v.Phase == token.Taking || v.Phase == token.Holding {
		l.handle(addresses.Failed{Failed: token.Failed{Token: i, Epoch: v.Epoch}, Err: err})
	}
}

// reachable returns why the token's addresses could not be reached here. What is
// held is on a network that has spoken before.
func (l *loop) reachable(i int, name string) error {
	if err := l.ready(name); err != nil || l.machine.Tokens().Phase(i) != token.Idle {
		return err
	}
	err := l.forwarding.why(i, name)
	if err != nil && l.forwarding.again.CompareAndSwap(false, true) {
		time.AfterFunc(deafEvery, func() {
			l.forwarding.again.Store(false)
			l.tell(linksChanged{})
		})
	}
	return err
}

// deafEvery is how often a network that has said nothing yet is looked at.
const deafEvery = 50 * time.Millisecond

// fightPause is how long a host whose address somebody keeps removing stays out.
const fightPause = time.Minute

func (l *loop) onContested(name string) {
	for i, w := range l.workers {
		if w != nil && w.Name() == name {
			l.fights[i] = time.Now().Add(fightPause)
			l.updateEligibility()
			time.AfterFunc(fightPause+time.Second, func() { l.tell(linksChanged{}) })
		}
	}
}

// forwardingCheck is for a network whose link is up but that lets nothing through yet:
// a host that hears nobody must not think that it is alone. The first frame of
// anybody ends it, or start_wait, for there may be nobody.
type forwardingCheck struct {
	since map[int]time.Time
	again atomic.Bool // somebody will look soon
	heard func(name string) time.Time
	most  time.Duration
}

var errDeaf = errors.New("nothing was heard on its network since the link came up")

// why returns why the token's network can't be trusted yet, nil if it can.
func (d *forwardingCheck) why(i int, name string) error {
	if !d.heard(name).IsZero() {
		delete(d.since, i)
		return nil
	}
	since, deaf := d.since[i]
	if !deaf {
		since = time.Now()
		d.since[i] = since
	}
	if time.Since(since) >= d.most {
		return nil
	}
	return errDeaf
}
