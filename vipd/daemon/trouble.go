package daemon

import (
	"fmt"

	"vipd/vipd/control"
)

// check looks why configured addresses could not work here as things are now.
func (d *Daemon) check() {
	var list []string
	for _, err := range d.hands.Check() {
		list = append(list, err.Error())
	}
	d.alarms.SetUnusable(list)
}

// diskTrouble reports that the state directory began to refuse writes, or takes
// them again.
func (d *Daemon) diskTrouble(err error) {
	e := control.Event{Kind: "alarm", Node: d.cluster().Self.Name, Text: "the state directory is writable again"}
	text := ""
	if err != nil {
		text = fmt.Sprintf("state can't be kept: %v; addresses are held and taken all the same, but what nobody inherits is taken only when a record can be written", err)
		e.Text = text
	}
	d.alarms.Set("disk", text)
	d.tell(diskState{err != nil})
	d.tell(journalEvent{e})
}

// stateLost reports that the state of earlier runs could not be used.
func (d *Daemon) stateLost(text string) {
	d.alarms.Set("state", text)
	d.loop.journal.Add(d.loop.journal.Event("alarm", "%s", text))
}

func (d *Daemon) hookTrouble(name string) func(string) {
	return func(text string) {
		d.tryPost(journalEvent{control.Event{Kind: "alarm", Token: name, Node: d.cluster().Self.Name, Text: name + ": " + text}})
	}
}

// leaseRefused is told that the kernel refused to move the end of a token's lease. Where
// that silences what is held, peers hear of a holder that does not answer: it must go.
func (d *Daemon) leaseRefused(id uint64, silent bool, err error) {
	d.doubtRights(err)
	if silent {
		d.tryPost(leaseLost{id, fmt.Errorf("the kernel's lease can't be written: %w", err)})
	}
}

// tryPost tells the loop something that may be lost when it is busy or gone.
func (d *Daemon) tryPost(ev any) {
	select {
	case d.loop.events <- ev:
		d.loop.source.Ring()
	default:
	}
}

// wedged is told, on the beating thread, that the loop doesn't step any more,
// or does again. Nothing is said to the loop: it would not hear it.
func (d *Daemon) wedged(on bool) {
	if on {
		d.log.Error("the deciding loop does not step: silent from now on")
		d.alarms.Set("loop", "the deciding loop did not step for a dead time")
		return
	}
	d.log.Info("the deciding loop steps again")
	d.alarms.Clear("loop")
}
