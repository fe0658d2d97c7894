package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/seal"
	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/daemon/leasing"
)

// statusWait is how long a question for status waits for the loop. After that
// the values taken last are the answer, with their age.
const statusWait = 100 * time.Millisecond

// Status returns what this node knows now, or, from a loop that does not step,
// what it knew last.
func (d *Daemon) Status() control.Status {
	taken := make(chan control.Status, 1)
	ctx, cancel := context.WithTimeout(context.Background(), statusWait)
	defer cancel()
	d.loop.post(callOnLoop{func() { taken <- d.buildStatus() }}, ctx.Done())
	select {
	case s := <-taken:
		return s
	case <-ctx.Done():
		return d.cachedStatus()
	}
}

// cachedStatus is what was known when the loop last looked, and what is in trouble
// now: a loop that does not step is.
func (d *Daemon) cachedStatus() control.Status {
	s := *d.loop.cachedStatus.Load()
	s.Alarms = slices.Clone(s.Alarms)
	for _, text := range d.alarms.List() {
		if !slices.Contains(s.Alarms, text) {
			s.Alarms = append(s.Alarms, text)
		}
	}
	return s
}

// buildStatus takes the status on the loop's goroutine and keeps it for when the loop
// can't be asked.
func (d *Daemon) buildStatus() control.Status {
	now := d.clocks.Now()
	s := control.Status{
		Node: d.cluster().Self.Name, Cluster: d.cluster().Settings.Cluster, Version: control.Version(), WireVersion: heartbeat.WireVersion,
		ConfigDigest: d.cluster().Settings.DigestText(), Started: d.started, PID: os.Getpid(), LeaseLayer: d.layer(), AsOf: time.Now(),
		Dropped: d.dropped(),
	}
	s.Nodes = append(s.Nodes, d.ownStatus())
	for i := range d.loop.machine.Beats().Peers() {
		s.Nodes = append(s.Nodes, d.peerStatus(now, &d.loop.machine.Beats().Peers()[i]))
	}
	for i := range d.loop.machine.Tokens().Tokens() {
		if v := d.loop.machine.Tokens().Status(now, i); v.Spec.Members != nil || v.Phase != token.Idle {
			s.Tokens = append(s.Tokens, d.tokenStatus(now, i, v))
		}
	}
	slices.SortFunc(s.Tokens, func(a, b control.TokenStatus) int { return strings.Compare(a.Name, b.Name) })
	s.Groups = d.groupStatus()
	s.Alarms = d.statusAlarms(s)
	d.loop.cachedStatus.Store(&s)
	return s
}

// layer names what ends an address when this daemon dies.
func (d *Daemon) layer() string {
	if d.leased == nil {
		return leasing.LifetimeOnly
	}
	return d.leased.Layer()
}

func (d *Daemon) ownStatus() control.NodeStatus {
	on := boot.Synchronised()
	return control.NodeStatus{
		Name: d.cluster().Self.Name, Self: true, ID: d.cluster().Self.Slot, State: stateWord(d.loop.machine.State()),
		Priority: d.cluster().Self.Priority, Version: control.Version(), ConfigDigest: d.cluster().Settings.DigestText(), Keys: d.ownKeys(),
		Clock: control.ClockStatus{Verdict: control.ClockWithin, Synchronised: &on},
	}
}

// stateWord is the state as status has it; a node that restarts will be back.
func stateWord(s heartbeat.State) string {
	if s == heartbeat.Restarting {
		return control.NodeUp
	}
	return s.String()
}

func (d *Daemon) peerStatus(now clock.Instant, p *heartbeat.Peer) control.NodeStatus {
	name := d.cluster().NodeName(p.Slot)
	n, _ := d.cluster().Settings.Node(name)
	s := control.NodeStatus{Name: name, ID: p.Slot, State: control.NodeUnknown, Priority: n.Priority, Clock: clockStatus(now, p),
		Link: d.loop.machine.Tokens().Link(now, p.Slot).String()}
	if p.Session != 0 {
		s.State, s.Version, s.ConfigDigest = stateWord(p.State), p.Build, fmt.Sprintf("%016x", p.Digest)
		s.Keys = texts(d.loop.peerKeys[p.Slot])
		s.HeardAgeMS = age(now, p.Heard)
		if p.Silence(now) >= d.cluster().Settings.Heartbeat.Dead() {
			s.State = control.NodeSilent
		}
	}
	for i, remote := range n.Addresses {
		s.Paths = append(s.Paths, d.pathStatus(now, &p.Paths[i], d.cluster().Self.Addresses[i].String(), remote.String()))
	}
	for _, l := range d.lans {
		if name := l.shown.Load(); name != nil {
			mac, _ := l.address(p.Slot)
			if path := d.pathStatus(now, &p.Paths[l.number], "lan:"+*name, net.HardwareAddr(mac[:]).String()); path.Up {
				s.Paths = append(s.Paths, path)
			}
		}
	}
	return s
}

func (d *Daemon) pathStatus(now clock.Instant, p *heartbeat.Path, local, remote string) control.PathStatus {
	s := control.PathStatus{Local: local, Remote: remote, LossRatio: p.Loss(), HeardAgeMS: age(now, p.Heard)}
	s.Up = p.Heard != 0 && now.Sub(p.Heard) < d.cluster().Settings.Heartbeat.Dead()
	if p.RoundTrip > 0 && s.Up {
		trip := control.Milliseconds(p.RoundTrip)
		s.RoundTripMS = &trip
	}
	return s
}

func age(now, heard clock.Instant) *float64 {
	if heard == 0 {
		return nil
	}
	ms := control.Milliseconds(now.Sub(heard))
	return &ms
}

func clockStatus(now clock.Instant, p *heartbeat.Peer) control.ClockStatus {
	e := p.Clock.At(now)
	s := control.ClockStatus{Verdict: e.Verdict().String()}
	if e.Known {
		offset, doubt := control.Milliseconds(e.Offset), control.Milliseconds(e.Doubt)
		s.OffsetMS, s.ErrorBoundMS = &offset, &doubt
	}
	if p.Session != 0 {
		on := p.Synced
		s.Synchronised = &on
	}
	return s
}

func (d *Daemon) tokenStatus(now clock.Instant, i int, v token.Status) control.TokenStatus {
	s := control.TokenStatus{
		Name: v.Spec.Name, Kind: kindOf(v.Spec.Name), State: v.Phase.String(), Epoch: max(v.Epoch, v.Seen), MovesLastHour: d.loop.moves.Count(v.Spec.Name),
		Bits: control.Bits{
			AllowMultiple: v.Spec.Bits&token.AllowMultiple != 0, AutoFailback: v.Spec.Bits&token.AutoFailback != 0,
			DisableInheritance: v.Spec.Bits&token.DisableInheritance != 0, ReleaseRequested: v.Spec.Bits&token.ReleaseRequested != 0,
		},
	}
	if vip, ok := d.cluster().VIP(v.Spec.Name); ok {
		for _, p := range vip.Addresses {
			s.Addresses = append(s.Addresses, p.Addr().String())
		}
	}
	d.holders(&s, v)
	s.Proved = d.loop.proofs.Of(v.Spec.Name, v.Epoch)
	for _, m := range v.Spec.Members {
		s.Eligible = append(s.Eligible, d.eligibility(i, v, m))
	}
	return s
}

// holders fills in who holds the token, and since when.
func (d *Daemon) holders(s *control.TokenStatus, v token.Status) {
	hold := func(slot uint8, c token.Claim) {
		name := d.cluster().NodeName(slot)
		s.Holders = append(s.Holders, name)
		if s.Holder != "" {
			return
		}
		since := control.Milliseconds(c.Tenure)
		s.Holder, s.Since, s.SinceMS = name, time.Now().Add(-c.Tenure), &since
		if c.Pinned {
			s.PinnedTo = name
		}
	}
	silent := false
	if v.Phase != token.Idle {
		hold(d.cluster().Self.Slot, token.Claim{Tenure: v.Tenure, Pinned: v.Pinned})
	}
	for _, p := range v.Peers {
		switch {
		case p.Alive && p.Claim.Phase != token.Idle:
			hold(p.Slot, p.Claim)
		case !p.Alive && p.Claim.Phase != token.Idle:
			silent = true
		}
	}
	switch {
	case len(s.Holders) > 1 && v.Spec.Bits&token.AllowMultiple == 0:
		s.Note = fmt.Sprintf("%d holders (inherited)", len(s.Holders))
	case len(s.Holders) == 0 && silent:
		s.Note = "last held by a node that is silent"
	}
	if v.Blocked != nil {
		s.Note = blockedText(d.clocks, *v.Blocked)
	}
}

func (d *Daemon) eligibility(i int, v token.Status, m token.Member) control.Eligibility {
	e := control.Eligibility{Node: d.cluster().NodeName(m.Slot), Priority: m.Priority}
	if m.Slot == d.cluster().Self.Slot {
		e.Reasons = v.Reasons.Words()
		if why := d.loop.failed[i]; why != "" && len(e.Reasons) > 0 {
			e.Reasons = append(e.Reasons, why)
		}
		e.Fit = v.Reasons.Eligible()
		return e
	}
	for _, p := range v.Peers {
		if p.Slot != m.Slot {
			continue
		}
		if e.Fit = p.Alive && p.Claim.Reasons.Eligible(); !p.Alive {
			e.Reasons = []string{"not heard"}
		} else {
			e.Reasons = p.Claim.Reasons.Words()
		}
	}
	return e
}

// dropped counts what was refused: by the seal, then by the heartbeat.
func (d *Daemon) dropped() map[string]uint64 {
	counts := map[string]uint64{}
	for r := range seal.Refusals() {
		if n := d.loop.opener.Refused(r); n > 0 {
			counts[r.String()] = n
		}
	}
	if n := d.kernelDropped(); n > 0 {
		counts["kernel"] = n
	}
	if n := d.inbox.repeated; n > 0 {
		counts[heartbeat.Repeated.String()] = n
	}
	d.loop.machine.Beats().Drops().Each(func(r heartbeat.DropReason, n uint64) {
		if n > 0 {
			counts[r.String()] += n
		}
	})
	return counts
}

// statusAlarms are the alarms that the status itself shows, then those that were raised.
func (d *Daemon) statusAlarms(s control.Status) (list []string) {
	for _, n := range s.Nodes {
		switch {
		case n.Self:
		case n.State == control.NodeUnknown || n.State == control.NodeSilent:
			list = append(list, n.Name+" is not heard")
		case n.ConfigDigest != s.ConfigDigest:
			list = append(list, fmt.Sprintf("%s runs with another configuration (%s here, %s there)", n.Name, s.ConfigDigest, n.ConfigDigest))
		}
		if n.Clock.Verdict == control.ClockBeyond {
			list = append(list, fmt.Sprintf("the clock of %s is %+.3f s off", n.Name, *n.Clock.OffsetMS/1000))
		} else if n.Clock.OffsetMS != nil && time.Duration(*n.Clock.OffsetMS*1e6).Abs() > clock.Warn {
			list = append(list, fmt.Sprintf("the clock of %s is %+.3f s off; 1 s is the limit", n.Name, *n.Clock.OffsetMS/1000))
		}
	}
	for _, t := range s.Tokens {
		switch {
		case t.Holder == "" && !strings.HasPrefix(t.Note, "waits: "):
			list = append(list, "nobody holds "+t.Name)
		case t.Note != "":
			list = append(list, t.Name+": "+t.Note)
		}
	}
	return append(append(list, d.unable(s)...), d.alarms.List()...)
}

// unable lists the nodes that can't put an address up: what they should hold is held
// elsewhere, if at all.
func (d *Daemon) unable(s control.Status) (list []string) {
	words := (token.HandsFailed | token.Unable | token.TakeFailed).Words()
	tokens := map[string][]string{} // by node
	for _, t := range s.Tokens {
		for _, e := range t.Eligible {
			if slices.ContainsFunc(e.Reasons, func(r string) bool { return slices.Contains(words, r) }) {
				tokens[e.Node] = append(tokens[e.Node], t.Name)
			}
		}
	}
	for _, n := range s.Nodes {
		if names := tokens[n.Name]; len(names) > 0 {
			list = append(list, fmt.Sprintf("%s can't put up %s", n.Name, firstOf(names)))
		}
	}
	return list
}

// firstOf names the first and says how many more there are.
func firstOf(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
}
