package daemon

import (
	"fmt"
	"net"
	"slices"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/control"
)

// Events of what the clients' network says, by the tokens' names.
type (
	// answered: the address is on a peer's hardware address, or a stranger's (0).
	answered struct {
		name string
		peer uint8
		mac  [6]byte
	}
	// peerAsks: a peer asks for the address.
	peerAsks struct {
		name string
		peer uint8
	}
	// proved: a neighbour knows where the address is now.
	proved struct{ sharedip.Proved }
)

// answerTime is how long after an ask an answer is taken to be to it. A word
// without a question is one of now.
const answerTime = 20 * time.Millisecond

// ask asks the network who has the token's addresses.
func (l *loop) ask(i int) {
	now := l.Now()
	if l.workers[i].Ask() == nil {
		l.asked[i] = now
	}
}

// network says what the machine is to know of what the network said; nil: nothing.
func (l *loop) network(ev any) token.Event {
	switch ev := ev.(type) {
	case answered:
		if i := l.number(ev.name); i >= 0 {
			asked := l.asked[i]
			if now := l.Now(); now.Sub(asked) > answerTime {
				asked = now
			}
			if ev.peer == 0 {
				ev.peer = l.nodeOf(ev.mac)
			}
			return token.ProbeAnswered{Token: i, Peer: ev.peer, Asked: asked, MAC: ev.mac}
		}
	case peerAsks:
		if i := l.number(ev.name); i >= 0 {
			return token.PeerProbes{Token: i, Peer: ev.peer}
		}
	case proved:
		return l.prove(ev)
	}
	return nil
}

// prove notes who knows where the address is, for status and whoever waits for
// a move. One answer shows it for the token: its addresses move together.
func (l *loop) prove(ev proved) token.Event {
	i := l.number(ev.Token)
	if i < 0 {
		return nil
	}
	v := l.machine.Tokens().Status(l.Now(), i)
	if v.Phase == token.Idle {
		return nil
	}
	took := control.Milliseconds(ev.Took)
	l.proofs.Add(ev.Token, control.Proof{Address: ev.Prefix.Addr().String(), By: ev.By.String(), Epoch: v.Epoch, At: time.Now(), TookMS: &took})
	return token.Proved{Token: i, Epoch: v.Epoch}
}

// onNetworkEvent takes what the hands heard on the clients' network.
func (d *Daemon) onNetworkEvent(e sharedip.Event) {
	j := d.loop.journal
	switch e := e.(type) {
	case sharedip.Answered:
		d.tell(answered{e.Token, d.cluster().SlotOf(e.By), hardwareAddress(e.MAC)})
	case sharedip.PeerAsks:
		d.tell(peerAsks{e.Token, d.cluster().SlotOf(e.By)})
	case sharedip.Proved:
		d.tell(proved{e})
	case sharedip.Unproved:
		if e.Silent.IsValid() {
			d.tell(journalEvent{j.Event("alarm", "%s: %s does not answer %s", e.Token, e.Silent, e.Prefix.Addr())})
		}
	case sharedip.Claimed:
		d.claimed(e)
	}
}

// hardwareAddress returns the address, zero if it is of another length.
func hardwareAddress(a net.HardwareAddr) (list [6]byte) {
	if len(a) == len(list) {
		list = [6]byte(a)
	}
	return list
}

// nodeOf finds the peer that has told us the hardware address, 0 if none has: the network
// shows it by ARP only where the peer has an address of its own.
func (l *loop) nodeOf(mac [6]byte) uint8 {
	peers := l.machine.Beats().Peers()
	for i := range peers {
		if slices.ContainsFunc(peers[i].MACs, func(a heartbeat.MAC) bool { return a.Address == mac }) {
			return peers[i].Slot
		}
	}
	return 0
}

// answerer blocks a take by answers without a proof, or did until it was taken.
type answerer struct {
	token.UnprovedAnswer
	last clock.Instant // that came
}

// warnOfAnswerer says, once for each take that is blocked, which hardware address
// answers in a silent peer's place without a proof.
func (l *loop) warnOfAnswerer(i int) {
	b := l.machine.Tokens().Status(l.Now(), i).Blocked
	if b == nil {
		return
	}
	known := l.answerers[i].Until == b.Until
	l.answerers[i] = answerer{*b, l.Now()}
	if known {
		return
	}
	l.journal.Add(l.journal.Event("alarm", "%s: %s", l.workers[i].Name(), blockedText(l.Clocks, *b)))
}

// blockedText says what a take waits for.
func blockedText(k boot.Clocks, b token.UnprovedAnswer) string {
	until := int64(k.Wall()) + int64(b.Until.Sub(k.Now()))
	return fmt.Sprintf("waits: %s answers for it, unproved, until %s", net.HardwareAddr(b.MAC[:]), time.Unix(0, until).Format("15:04:05.000"))
}

// warnOfTake raises an alarm where the token is taken although something has answered for
// it to the last: where the answers have ended, a take waits for a dead time more.
func (l *loop) warnOfTake(a token.Acquire) {
	b, answered := l.answerers[a.Token]
	if !answered || a.Cause != token.PeerSilent || l.Now().Sub(b.last) >= l.dead {
		return
	}
	name, from := l.workers[a.Token].Name(), l.names().NodeName(a.From)
	if from == "" {
		from = "the last holder"
	}
	text := fmt.Sprintf("%s: taken although %s answers for it: something answers in the place of %s, or it lives and its heartbeats on the clients' network (EtherType 0x%04X) do not pass",
		name, net.HardwareAddr(b.MAC[:]), from, lanEtherType)
	l.journal.Add(l.journal.Event("alarm", "%s", text))
	l.raise("answered "+name, text, claimShown)
}
