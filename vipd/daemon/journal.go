package daemon

import (
	"context"
	"fmt"
	"log/slog"

	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/node"
)

// journal writes one line per transition, with its cause, to the log and to the
// ring that `vipd events` reads.
type journal struct {
	ring    *control.Journal
	names   func() *cluster
	machine *node.Machine
	log     *slog.Logger
	groups  map[string]string // what was said last of each
}

func (j *journal) add(e control.Event) {
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

func (j *journal) acquire(a token.Acquire) {
	text := "taking"
	if from := j.names().node(a.From); from != "" && a.From != j.names().self.Slot {
		text += " from " + from
	}
	j.token(a.Token, "standby", "taking", a.Cause, a.Epoch, fmt.Sprintf("%s (%v)", text, a.Cause))
}

func (j *journal) drop(a token.Drop) {
	j.token(a.Token, "active", "dropping", a.Cause, a.Epoch, fmt.Sprintf("dropping (%v)", a.Cause))
}

// settle notes what the hands completed, after the machine has taken it.
func (j *journal) settle(ev node.Event) {
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

func (j *journal) token(i int, from, to string, c token.Cause, epoch uint64, text string) {
	name := j.machine.Tokens().Spec(i).Name
	j.add(control.Event{Kind: "token", Token: name, Node: j.names().self.Name, From: from, To: to,
		Cause: control.Cause(c.String()), Epoch: epoch, Text: name + " " + text})
}

func (j *journal) noted(a node.PeerEvent) {
	name := j.names().node(a.Peer)
	text := fmt.Sprintf("%s: %v", name, a.Kind)
	kind := "node"
	if a.Kind == node.ConfigDiffers || a.Kind == node.ClockBeyond || a.Kind == node.Froze {
		kind = "alarm"
	}
	j.add(control.Event{Kind: kind, Node: name, To: a.Kind.String(), Text: text})
}

// say notes something that is neither a token's nor a peer's.
func (j *journal) say(kind, format string, args ...any) control.Event {
	return control.Event{Kind: kind, Node: j.names().self.Name, Text: fmt.Sprintf(format, args...)}
}
