package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"vipd/heartbeat"
	"vipd/seal"
	"vipd/vipd/control"
)

// sayAgain is how often a stranger is named at most.
const sayAgain = time.Minute

// namedMost bounds how many strangers are remembered as named.
const namedMost = 64

// setTrouble notes what is wrong now, and "" that it is right again.
func (d *Daemon) setTrouble(about, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if text == "" {
		delete(d.trouble, about)
		return
	}
	d.trouble[about] = text
}

// troubles lists what is wrong now.
func (d *Daemon) troubles() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, text := range d.trouble {
		list = append(list, text)
	}
	list = append(list, d.unusable...)
	slices.Sort(list)
	return list
}

// check looks why configured addresses could not work here as things are now.
func (d *Daemon) check() {
	var list []string
	for _, err := range d.hands.Check() {
		list = append(list, err.Error())
	}
	d.mu.Lock()
	before := d.unusable
	d.unusable = list
	d.mu.Unlock()
	for _, text := range list {
		if !slices.Contains(before, text) {
			d.log.Error("an address could not work here", "err", text)
		}
	}
}

// diskTrouble reports that the state directory began to refuse writes, or takes
// them again.
func (d *Daemon) diskTrouble(err error) {
	e := control.Event{Kind: "alarm", Node: d.cluster().self.Name, Text: "the state directory is writable again"}
	text := ""
	if err != nil {
		text = fmt.Sprintf("state can't be kept: %v; what is held stays, and grants go on while reserved epochs last", err)
		e.Text = text
	}
	d.setTrouble("disk", text)
	d.tell(noise{e})
}

func (d *Daemon) hookTrouble(name string) func(string) {
	return func(text string) {
		d.try(noise{control.Event{Kind: "alarm", Token: name, Node: d.cluster().self.Name, Text: name + ": " + text}})
	}
}

// try tells the loop something that may be lost when it is busy or gone.
func (d *Daemon) try(ev any) {
	select {
	case d.loop.events <- ev:
		d.loop.source.ring()
	default:
	}
}

// wedged is told, on the beating thread, that the loop doesn't step any more,
// or does again. Nothing is said to the loop: it would not hear it.
func (d *Daemon) wedged(on bool) {
	if on {
		d.log.Error("the deciding loop does not step: silent from now on")
		d.setTrouble("loop", "the deciding loop did not step for a dead time")
		return
	}
	d.log.Info("the deciding loop steps again")
	d.setTrouble("loop", "")
}

// refused names who sends what can't be opened, and what to change, once a
// minute each. Like malformed it is called on the loop's goroutine.
func (d *Daemon) refused(r seal.Refusal, h seal.Header, from netip.AddrPort) {
	var text string
	switch r {
	case seal.ErrCluster:
		text = fmt.Sprintf("%s is of another cluster on the same group and port; give each its own [multicast] port if it should be one of ours, compare `cluster`", from.Addr())
	case seal.ErrKey:
		text = fmt.Sprintf("%s seals with another key (%v); copy the same key_file to all nodes", from.Addr(), h.KeyID)
	case seal.ErrOldVersion:
		text = fmt.Sprintf("%s speaks wire version 1, which this program does not: upgrade it", from.Addr())
	case seal.ErrVersion:
		text = fmt.Sprintf("%s speaks another wire version (%d); upgrade the older program", from.Addr(), h.Version)
	case seal.ErrForged:
		text = fmt.Sprintf("%s sends what was not sealed with our key; somebody may be forging", from.Addr())
	default:
		return
	}
	if d.toSay(r.String() + from.Addr().String()) {
		d.loop.journal.add(control.Event{Kind: "alarm", Text: text})
	}
}

// malformed notes a message that opened but can't be read.
func (d *Daemon) malformed(from uint8, err error) {
	if d.toSay(fmt.Sprintf("malformed %d", from)) {
		d.loop.journal.add(control.Event{Kind: "alarm", Node: d.cluster().node(from), Text: fmt.Sprintf("%s sends what can't be read: %v", d.cluster().node(from), err)})
	}
	d.loop.machine.Beats().Count(heartbeat.Malformed)
}

// toSay reports whether it is time to say this again.
func (d *Daemon) toSay(what string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if last, ok := d.named[what]; ok && now.Sub(last) < sayAgain {
		return false
	}
	if len(d.named) >= namedMost {
		for old, at := range d.named {
			if now.Sub(at) >= sayAgain {
				delete(d.named, old)
			}
		}
	}
	if len(d.named) >= namedMost {
		return false
	}
	d.named[what] = now
	return true
}
