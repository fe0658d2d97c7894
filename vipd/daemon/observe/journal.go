package observe

import (
	"context"
	"fmt"
	"log/slog"

	"vipd/services"
	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/node"
)

// Journal writes one line per transition, with its cause, to the log and to the
// ring that `vipd events` reads.
type Journal struct {
	ring    *control.Journal
	names   func() *cluster.View
	machine *node.Machine
	log     *slog.Logger
	groups  map[string]string // the newest text of each
}

// NewJournal returns a journal that writes to the ring and to the log. It reads the
// machine, so it belongs to the goroutine of the loop, except for its method Event.
func NewJournal(ring *control.Journal, names func() *cluster.View, machine *node.Machine, log *slog.Logger) *Journal {
	return &Journal{ring: ring, names: names, machine: machine, log: log, groups: map[string]string{}}
}

// Add writes an event to the ring and to the log, an alarm as a warning.
func (j *Journal) Add(e control.Event) {
	j.ring.Append(e)
	args := []any{}
	for _, field := range []struct{ key, value string }{
		{"token", e.Token}, {"node", e.Node}, {"cause", string(e.Cause)},
	} {
		if field.value != "" {
			args = append(args, field.key, field.value)
		}
	}
	if e.Epoch != 0 {
		args = append(args, "epoch", e.Epoch)
	}
	level := slog.LevelInfo
	if e.Kind == "alarm" {
		level = slog.LevelWarn
	}
	j.log.Log(context.Background(), level, e.Text, args...)
}

// Acquire notes that this node takes a token.
func (j *Journal) Acquire(a token.Acquire) {
	text := "taking"
	if from := j.names().NodeName(a.From); from != "" && a.From != j.names().Self.Slot {
		text += " from " + from
	}
	j.token(a.Token, "standby", "taking", a.Cause, a.Epoch, fmt.Sprintf("%s (%v)", text, a.Cause))
}

// Drop notes that this node gives a token up.
func (j *Journal) Drop(a token.Drop) {
	j.token(a.Token, "active", "dropping", a.Cause, a.Epoch, fmt.Sprintf("dropping (%v)", a.Cause))
}

// Completed notes address work that is done, after the machine has taken the event.
func (j *Journal) Completed(ev node.Event) {
	switch ev := ev.(type) {
	case token.Up:
		if j.machine.Tokens().Phase(ev.Token) == token.Holding {
			j.token(ev.Token, "taking", "active", token.NoCause, ev.Epoch, "active: address up and announced")
		}
	case token.Down:
		j.token(ev.Token, "dropping", "standby", token.NoCause, 0, "standby: address removed")
	case token.Failed:
		j.token(ev.Token, "taking", "standby", token.NoCause, ev.Epoch, "the address could not be put up")
	case token.Adopt:
		j.token(ev.Token, "", "active", token.NoCause, ev.Epoch, "active: adopted from the daemon before")
	}
}

func (j *Journal) token(i int, from, to string, c token.Cause, epoch uint64, text string) {
	name := j.machine.Tokens().Spec(i).Name
	j.Add(control.Event{Kind: "token", Token: name, Node: j.names().Self.Name, From: from, To: to,
		Cause: control.Cause(c.String()), Epoch: epoch, Text: name + " " + text})
}

// Peer notes a change of a peer.
func (j *Journal) Peer(a node.PeerEvent) {
	name := j.names().NodeName(a.Peer)
	text := fmt.Sprintf("%s: %v", name, a.Kind)
	kind := "node"
	if a.Kind == node.ConfigDiffers || a.Kind == node.ClockBeyond || a.Kind == node.Froze {
		kind = "alarm"
	}
	j.Add(control.Event{Kind: kind, Node: name, To: a.Kind.String(), Text: text})
}

// Event makes an event of this node that concerns neither a token nor a peer. It is for any
// goroutine.
func (j *Journal) Event(kind, format string, args ...any) control.Event {
	return control.Event{Kind: kind, Node: j.names().Self.Name, Text: fmt.Sprintf(format, args...)}
}

// Group notes how the group is doing, when its state or its text is another.
func (j *Journal) Group(name string, v services.View) {
	text := fmt.Sprintf("group %s: %v", name, v.State)
	if v.Text != "" {
		text += ": " + v.Text
	}
	if j.groups[name] == text {
		return
	}
	j.groups[name] = text
	e := control.Event{Kind: "group", Token: cluster.GroupPrefix + name, Node: j.names().Self.Name, To: v.State.String(), Epoch: v.Epoch, Text: text}
	switch v.State {
	case services.Failing, services.Broken:
		e.Cause = control.UnitFailed
	case services.Blocked:
		e.Kind = "alarm"
	}
	j.Add(e)
}
