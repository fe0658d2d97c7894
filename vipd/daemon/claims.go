package daemon

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"vipd/sharedip"
	"vipd/token"
)

const (
	// claimShown is how long a claim stays an alarm in status after it was seen last, and
	// how seldom one that goes on is said again.
	claimShown = time.Minute
	// claimGap is within which a node that is not heard must have claimed an address twice:
	// where two networks grow together, the first claim comes before the first heartbeat.
	claimGap = 5 * time.Second
	// claimantsNamed is how many hardware addresses that claim one shared address have
	// alarms of their own.
	claimantsNamed = 4
)

// claimed is a shared address as a token has it.
type claimed struct {
	token string
	addr  netip.Addr
}

// claimant is a hardware address that claims a shared address. The zero one stands for
// all that have no place.
type claimant struct {
	mac   [6]byte
	last  time.Time // seen
	said  time.Time // zero: never
	count int       // seen since it was said
}

// claims are the claimants of each address.
type claims map[claimed][]*claimant

// of returns the claimant with that hardware address, or the one for all that have no
// place. fresh reports whether it was not there.
func (c claims) of(what claimed, mac [6]byte) (_ *claimant, fresh bool) {
	find := func(mac [6]byte) *claimant {
		if i := slices.IndexFunc(c[what], func(a *claimant) bool { return a.mac == mac }); i >= 0 {
			return c[what][i]
		}
		return nil
	}
	known := find(mac)
	if known == nil && len(c[what]) >= claimantsNamed {
		mac = [6]byte{}
		known = find(mac)
	}
	if known != nil {
		return known, false
	}
	a := &claimant{mac: mac}
	c[what] = append(c[what], a)
	return a, true
}

// forget lets go of a claimant.
func (c claims) forget(what claimed, a *claimant) {
	c[what] = slices.DeleteFunc(c[what], func(b *claimant) bool { return a == b })
	if len(c[what]) == 0 {
		delete(c, what)
	}
}

// claimed is told who else claims an address.
func (d *Daemon) claimed(e sharedip.Claimed) {
	d.tell(callOnLoop{func() { d.judgeClaim(e) }})
}

// judgeClaim says who claims an address, on the loop's goroutine. That of a node that is
// heard is the machine's business, a meeting of two holders; a stranger's is the
// operator's, and so is that of a node which is not heard: something answers in its
// place, or its heartbeats are lost. Against that one, too, what is held is defended.
func (d *Daemon) judgeClaim(e sharedip.Claimed) {
	mac := hardwareAddress(e.MAC)
	node := d.cluster().SlotOf(e.By)
	if node == 0 {
		node = d.loop.nodeOf(mac)
	}
	what := claimed{e.Token, e.Prefix.Addr()}
	if node == 0 {
		d.noteClaim(what, mac, "which is no node of the cluster", true)
		return
	}
	i := d.loop.number(e.Token)
	if !d.loop.silent(node) || i < 0 || d.loop.machine.Tokens().Phase(i) == token.Idle {
		return
	}
	if d.noteClaim(what, mac, fmt.Sprintf("a hardware address of %s, which is not heard", d.cluster().NodeName(node)), false) {
		d.hands.Defend(what.token, what.addr)
	}
}

// silent reports whether the node has not been heard for a dead time.
func (l *loop) silent(slot uint8) bool {
	p := l.machine.Beats().Peer(slot)
	return p != nil && p.Silence(l.Now()) >= l.dead
}

// noteClaim says of a claim at first, and then once a minute, how often it was seen; in
// status it stays for as long as it goes on. It reports whether the claim counts: at once,
// or when it was seen again soon.
func (d *Daemon) noteClaim(what claimed, mac [6]byte, by string, atOnce bool) bool {
	a, fresh := d.loop.claims.of(what, mac)
	if fresh {
		d.watchClaim(claimShown, what, a)
	}
	now := time.Now()
	counts := atOnce || !a.said.IsZero() || now.Sub(a.last) < claimGap
	a.last = now
	a.count++
	if !counts || !a.said.IsZero() && now.Sub(a.said) < claimShown {
		return counts
	}
	text := fmt.Sprintf("%s: %s is claimed by %s, %s", what.token, what.addr, net.HardwareAddr(a.mac[:]), by)
	if a.mac == ([6]byte{}) {
		text = fmt.Sprintf("%s: %s is claimed by more than %d hardware addresses", what.token, what.addr, claimantsNamed)
	}
	d.alarms.Set(a.about(what), text)
	if !a.said.IsZero() {
		text += fmt.Sprintf(" (%d more claims since that was said)", a.count-1)
	}
	d.loop.journal.Add(d.loop.journal.Event("alarm", "%s", text))
	a.said, a.count = now, 0
	return counts
}

// about names the claimant among the alarms.
func (a *claimant) about(what claimed) string {
	return fmt.Sprintf("claim %s %s %x", what.token, what.addr, a.mac)
}

// watchClaim takes the alarm back when the claimant has not been seen for a while.
func (d *Daemon) watchClaim(rest time.Duration, what claimed, a *claimant) {
	time.AfterFunc(rest, func() {
		d.tell(callOnLoop{func() {
			if rest := claimShown - time.Since(a.last); rest > 0 {
				d.watchClaim(rest, what, a)
				return
			}
			d.alarms.Clear(a.about(what))
			d.loop.claims.forget(what, a)
		}})
	})
}
