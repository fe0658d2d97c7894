package stories

import (
	"fmt"
	"strings"
	"time"

	"vipd/services"
	"vipd/testlab/sim"
	"vipd/token"
	"vipd/vipd/node"
)

// teller writes down what the nodes do, in an admin's words.
type teller struct {
	story *Story
	world *sim.World
	lines []string
	says  map[string]string // by node and token, what it says to others
	open  map[string]bool   // by node and token, whether its kernel answers
	alone map[string]bool   // by node and token, whether no peer binds the lease
	asked map[string]int64  // by node and token, when it asked last
	state map[string]string // by node and group, how it does
}

// Tell plays the story and returns its timeline.
func (s *Story) Tell() string {
	t := &teller{story: s, world: sim.New(s.Plan), says: map[string]string{}, open: map[string]bool{}, alone: map[string]bool{}, asked: map[string]int64{}, state: map[string]string{}}
	t.world.Observe = t.observe
	for _, f := range s.Plan.Faults {
		t.world.Inject(f)
	}
	for at := time.Duration(0); at <= s.Until; at += time.Millisecond {
		t.world.Run(int64(at))
		t.look()
	}
	t.end()
	return strings.Join(t.lines, "\n") + "\n"
}

func (t *teller) say(h *sim.Host, format string, args ...any) {
	at := time.Duration(t.world.Now).Truncate(time.Millisecond).Seconds()
	t.lines = append(t.lines, fmt.Sprintf("%.3f %s %s", at, h.Name, fmt.Sprintf(format, args...)))
}

// vip names a token as a person does, a group by its own name.
func (t *teller) vip(i int) string {
	if i < len(t.story.vips) {
		return "vip:" + t.story.vips[i]
	}
	return t.world.TokenName(i)
}

func key(h *sim.Host, i int) string { return fmt.Sprint(h.Name, i) }

func letter(slot uint8) string { return string(rune('a' + slot - 1)) }

func epoch(e uint64) string {
	return fmt.Sprintf("%d.%s", token.Counter(e), letter(token.Granter(e)))
}

func (t *teller) observe(h *sim.Host, what any) {
	switch a := what.(type) {
	case token.Acquire:
		t.say(h, "takes %s epoch %s (%v)", t.vip(a.Token), epoch(a.Epoch), a.Cause)
	case token.Drop:
		t.say(h, "drops %s (%v)", t.vip(a.Token), a.Cause)
	case services.Action:
		t.service(h, a)
	case sim.Ended:
		t.ended(h, a)
	case token.Probe:
		t.ask(h, a)
	case token.Lease:
		t.lease(h, a)
	case sim.Announced:
		t.say(h, "announces %s", t.vip(a.Token))
	case *node.Payload:
		t.words(h, a)
	case node.PeerEvent:
		t.noted(h, a)
	case node.Reply:
		t.reply(h, a)
	case node.Exit:
		t.say(h, "exits")
	case node.Reexec:
		t.say(h, "re-executes")
	}
}

// ask tells of the first of many.
func (t *teller) ask(h *sim.Host, a token.Probe) {
	const pause = int64(100 * time.Millisecond)
	k := key(h, a.Token)
	if last, ever := t.asked[k]; !ever || t.world.Now-last > pause {
		t.say(h, "begins to ask the LAN for %s", t.vip(a.Token))
	}
	t.asked[k] = t.world.Now
}

// lease tells when no peer binds a lease any more, and when one does again.
func (t *teller) lease(h *sim.Host, a token.Lease) {
	if a.Token >= len(t.story.vips) || t.story.Plan.Bits[a.Token]&(token.DisableInheritance|token.AllowMultiple) != 0 {
		return
	}
	k, alone := key(h, a.Token), a.Limit == 1<<63-1
	switch {
	case alone && !t.alone[k]:
		t.say(h, "renews %s alone", t.vip(a.Token))
	case !alone && a.Limit != 0 && t.alone[k]:
		t.say(h, "renews %s by echoes", t.vip(a.Token))
	}
	t.alone[k] = alone
}

// words tells what a node says to another of a token, when that changes.
func (t *teller) words(h *sim.Host, w *node.Payload) {
	for _, c := range w.Claims {
		for i := range t.story.Plan.All() {
			if token.ID(t.world.TokenName(i)) != c.Token {
				continue
			}
			k, says := key(h, i), ""
			v := token.Verb(c.Verb)
			said := v != token.Release || token.Phase(c.Phase) == token.Idle // before that it is still held
			if v != token.Silent && said {
				says = fmt.Sprintf("%s of %s to %s", phrases[v], t.vip(i), letter(c.To))
			}
			if says != "" && says != t.says[k] {
				t.say(h, "says %s", says)
			}
			t.says[k] = says
		}
	}
}

// phrases are the verbs of a claim.
var phrases = map[token.Verb]string{
	token.Offer: "offer", token.Accept: "accept", token.Decline: "decline", token.Release: "released", token.Yield: "yield",
}

func (t *teller) noted(h *sim.Host, n node.PeerEvent) {
	if n.Kind == node.Froze {
		t.say(h, "finds that it did not run for longer than a dead time")
		return
	}
	t.say(h, "notes %s: %v", letter(n.Peer), n.Kind)
}

func (t *teller) reply(h *sim.Host, r node.Reply) {
	if r.Late {
		t.say(h, "replies: not done in time")
		return
	}
	t.say(h, "replies: %v", r.Why)
}

// look tells when a kernel begins or ceases to answer.
func (t *teller) look() {
	for _, h := range t.world.Hosts {
		for i := range t.story.vips {
			if k := key(h, i); h.Answers(i) != t.open[k] {
				t.open[k] = !t.open[k]
				t.say(h, "%s for %s", map[bool]string{true: "answers", false: "is mute"}[t.open[k]], t.vip(i))
			}
		}
	}
}

// end tells who holds what at last.
func (t *teller) end() {
	for i := range t.story.vips {
		var holders []string
		for _, h := range t.world.Hosts {
			if h.Answers(i) {
				holders = append(holders, fmt.Sprintf("%s epoch %s", h.Name, epoch(h.Epoch(i))))
			}
		}
		if len(holders) == 0 {
			holders = []string{"nobody"}
		}
		t.lines = append(t.lines, fmt.Sprintf("end   %s: %s", t.vip(i), strings.Join(holders, " and ")))
	}
	t.endGroups()
}
