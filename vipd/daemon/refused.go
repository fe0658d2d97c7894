package daemon

import (
	"fmt"
	"time"

	"vipd/heartbeat"
	"vipd/seal"
	"vipd/vipd/control"
)

// sayAgain is how often a sender is named at most. standsFor is how long after that
// what a node of the cluster sends stays an alarm in status.
const (
	sayAgain  = time.Minute
	standsFor = sayAgain + 15*time.Second
)

// namedMost bounds, for each reason, how many senders are remembered as named that
// are no node of the cluster: so many of datagrams, and so many of frames. Nodes have
// places of their own: a sender with many addresses does not keep a node from being named.
const namedMost = 16

// refusedFrom is a reason to refuse messages, and their sender.
type refusedFrom struct {
	reason seal.Refusal // 0: it opened and can't be read
	from   sender       // without its port
}

// strangers are the senders that share places: for one reason, in frames or datagrams.
type strangers struct {
	reason seal.Refusal
	framed bool
}

func (r refusedFrom) strangers() strangers { return strangers{r.reason, r.from.framed()} }

// refusedSender has been named.
type refusedSender struct {
	last time.Time
	node uint8 // the slot, 0 if it is none
}

// refused names the sender of what can't be opened, and what to change, once a
// minute each. Nothing is formatted before it is known that it is to be said. Like
// malformed it is called on the loop's goroutine.
func (d *Daemon) refused(r seal.Refusal, h seal.Header, from sender) {
	switch r {
	case seal.ErrCluster, seal.ErrKey, seal.ErrVersion, seal.ErrOldVersion, seal.ErrForged:
	default:
		return // happens by itself, or says nothing of the sender
	}
	node, from := d.identify(from)
	about, now := d.toSay(refusedFrom{r, from}, node)
	if !now {
		return
	}
	text := d.refusal(r, h, about.from, node)
	d.loop.journal.Add(control.Event{Kind: "alarm", Node: d.cluster().NodeName(node), Text: text})
	if node != 0 && (r == seal.ErrOldVersion || r == seal.ErrKey) {
		d.stand(about, text)
	}
}

// refusal says what is wrong with what a sender sends.
func (d *Daemon) refusal(r seal.Refusal, h seal.Header, from sender, node uint8) string {
	name := from.String()
	if node != 0 {
		name = fmt.Sprintf("%s (%s)", d.cluster().NodeName(node), from)
	}
	switch r {
	case seal.ErrCluster:
		return fmt.Sprintf("%s is of another cluster on the same group and port; give each its own [multicast] port if it should be one of ours, compare `cluster`", name)
	case seal.ErrKey:
		return fmt.Sprintf("%s seals with another key (%v); copy the same key_file to all nodes", name, h.KeyID)
	case seal.ErrOldVersion:
		return fmt.Sprintf("%s speaks wire version 1, which is not understood any more; upgrade its vipd to this version (%s)", name, control.Version())
	case seal.ErrVersion:
		return fmt.Sprintf("%s speaks another wire version (%d); upgrade the older program", name, h.Version)
	}
	return fmt.Sprintf("%s sends what was not sealed with our key; somebody may be forging", name)
}

// stand keeps the text in status for as long as it is said again in time.
func (d *Daemon) stand(about refusedFrom, text string) {
	key := about.reason.String() + " " + about.from.String()
	d.alarms.Set(key, text)
	time.AfterFunc(standsFor, func() {
		d.mu.Lock()
		stands := time.Since(d.named[about].last) < standsFor
		d.mu.Unlock()
		if !stands {
			d.alarms.Clear(key)
		}
	})
}

// malformed notes a message that opened but can't be read.
func (d *Daemon) malformed(node uint8, from sender, err error) {
	if _, now := d.toSay(refusedFrom{from: from.host()}, node); now {
		name := d.cluster().NodeName(node)
		d.loop.journal.Add(control.Event{Kind: "alarm", Node: name, Text: fmt.Sprintf("%s sends what can't be read: from %s: %v", name, from.withPort(), err)})
	}
	d.loop.machine.Beats().Count(heartbeat.Malformed)
}

// asked is when toSay was asked of a sender.
type asked struct {
	about refusedFrom
	at    time.Time
}

// toSay reports whether it is time to say this again, and of which sender: where there is
// no place for a sender of frames, it is said of all of them on its interface. Of the sender
// that it was asked of last it looks again only once a second.
func (d *Daemon) toSay(about refusedFrom, node uint8) (refusedFrom, bool) {
	now := time.Now()
	if about == d.askedLast.about && now.Sub(d.askedLast.at) < time.Second {
		return about, false
	}
	d.askedLast = asked{about, now}
	return d.findToSay(about, node, now)
}

func (d *Daemon) findToSay(about refusedFrom, node uint8, now time.Time) (refusedFrom, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before, known := d.named[about]
	if !known && node == 0 && !d.makeRoom(about.strangers(), now) {
		if !about.from.framed() {
			return about, false
		}
		about.from = about.from.crowd()
		before, known = d.named[about]
	}
	switch {
	case known && now.Sub(before.last) < sayAgain:
		return about, false
	case !known && node == 0 && about.from.framed():
		d.named[about] = refusedSender{now.Add(framePatience - sayAgain), node}
		return about, false
	}
	d.named[about] = refusedSender{now, node}
	return about, true
}

// makeRoom forgets strangers that were named a minute ago, and reports whether one
// more may be remembered among them. While there is none it looks again only
// once a second.
func (d *Daemon) makeRoom(among strangers, now time.Time) bool {
	if now.Sub(d.noRoom[among]) < time.Second {
		return false
	}
	count := 0
	for old, sender := range d.named {
		switch {
		case old.strangers() != among || sender.node != 0 || old.from == old.from.crowd():
		case now.Sub(sender.last) >= sayAgain:
			delete(d.named, old)
		default:
			count++
		}
	}
	if count >= namedMost {
		d.noRoom[among] = now
		return false
	}
	return true
}
