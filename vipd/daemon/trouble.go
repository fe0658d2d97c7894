package daemon

import (
	"fmt"
	"slices"

	"vipd/vipd/control"
)

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

// warnAs notes what is wrong from the start on.
func (d *Daemon) warnAs(about, text string) {
	d.log.Warn(text)
	d.setTrouble(about, text)
}

// inTrouble reports whether something is noted of it.
func (d *Daemon) inTrouble(about string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.trouble[about] != ""
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
		text = fmt.Sprintf("state can't be kept: %v; addresses are held and taken all the same, but what nobody inherits is taken only when a record can be written", err)
		e.Text = text
	}
	d.setTrouble("disk", text)
	d.tell(diskState{err != nil})
	d.tell(noise{e})
}

// stateLost reports that the state of earlier runs could not be used.
func (d *Daemon) stateLost(text string) {
	d.setTrouble("state", text)
	d.loop.journal.add(d.loop.journal.say("alarm", "%s", text))
}

func (d *Daemon) hookTrouble(name string) func(string) {
	return func(text string) {
		d.try(noise{control.Event{Kind: "alarm", Token: name, Node: d.cluster().self.Name, Text: name + ": " + text}})
	}
}

// leaseRefused is told that the kernel refused to move the end of a token's lease. Where
// that silences what is held, peers hear of a holder that does not answer: it must go.
func (d *Daemon) leaseRefused(id uint64, silent bool, err error) {
	d.doubtRights(err)
	if silent {
		d.try(leaseLost{id, fmt.Errorf("the kernel's lease can't be written: %w", err)})
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
