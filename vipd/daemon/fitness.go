package daemon

import (
	"errors"
	"sync/atomic"
	"time"

	"vipd/sharedip"
	"vipd/token"
)

// judge tells the machine of each token whether its addresses could be reached.
func (l *loop) judge() {
	var news token.Several
	for i, w := range l.workers {
		if w == nil || w.group() {
			continue
		}
		var r token.Reason
		if err := l.reachable(i, w.name); err != nil {
			r |= reasonOf(err)
			l.failed[i] = err.Error()
		} else {
			delete(l.failed, i)
		}
		if until, ok := l.fights[i]; ok && time.Now().Before(until) {
			r |= token.HandsFailed
		}
		if l.reason[i] != r {
			l.reason[i] = r
			news = append(news, token.Fitness{Token: i, Reasons: r})
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

// reachable returns why the token's addresses could not be reached here. What is
// held is on a network that has spoken before.
func (l *loop) reachable(i int, name string) error {
	if err := l.ready(name); err != nil || l.machine.Tokens().Phase(i) != token.Idle {
		return err
	}
	err := l.deaf.why(i, name)
	if err != nil && l.deaf.again.CompareAndSwap(false, true) {
		time.AfterFunc(deafEvery, func() {
			l.deaf.again.Store(false)
			l.tell(links{})
		})
	}
	return err
}

// deafEvery is how often a network that has said nothing yet is looked at.
const deafEvery = 50 * time.Millisecond

// fightPause is how long a host whose address somebody keeps removing stays out.
const fightPause = time.Minute

func (l *loop) fight(name string) {
	for i, w := range l.workers {
		if w != nil && w.name == name {
			l.fights[i] = time.Now().Add(fightPause)
			l.judge()
			time.AfterFunc(fightPause+time.Second, func() { l.tell(links{}) })
		}
	}
}

// deafness is for a network whose link is up but that lets nothing through yet:
// a host that hears nobody must not think that it is alone. The first frame of
// anybody ends it, or start_wait, for there may be nobody.
type deafness struct {
	since map[int]time.Time
	again atomic.Bool // somebody will look soon
	heard func(name string) time.Time
	most  time.Duration
}

var errDeaf = errors.New("nothing was heard on its network since the link came up")

// why returns why the token's network can't be trusted yet, nil if it can.
func (d *deafness) why(i int, name string) error {
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
