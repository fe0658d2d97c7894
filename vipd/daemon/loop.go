package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/seal"
	"vipd/services"
	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/daemon/addresses"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/groups"
	"vipd/vipd/daemon/leasing"
	"vipd/vipd/daemon/observe"
	"vipd/vipd/daemon/state"
	"vipd/vipd/node"
)

// eventsWaiting bounds what may wait for the loop. Who tells it more waits; messages
// wait in the sockets' queues, which drop what is too much.
const eventsWaiting = 1024

// Events of the daemon's own, beside those of node.Machine.
type (
	// callOnLoop runs f on the loop, between two steps.
	callOnLoop struct{ f func() }
	// linksChanged says that carriers or interfaces have changed.
	linksChanged struct{}
	// addressContested says that somebody keeps removing the token's address.
	addressContested struct{ name string }
	// addressLost says that an address of the token is gone and can't be put back.
	addressLost struct {
		name string
		err  error
	}
	// leaseLost says that the kernel silences a token that is held, for its lease can't be
	// written.
	leaseLost struct {
		id  uint64
		err error
	}
	// leaseState says that a part of what enforces the leases is gone and can't be put
	// back, or with nil that it is there again.
	leaseState struct {
		what string
		err  error
	}
	// lacks says which right this process lacks to change addresses; nil: none.
	lacks struct{ err error }
	// diskState says whether the disk refuses what is to be kept.
	diskState struct{ refuses bool }
	// journalEvent is something for the journal that no machine needs.
	journalEvent struct{ event control.Event }
)

// loop owns the machine. Everything in it is its goroutine's alone but events.
type loop struct {
	boot.Clocks
	events       chan any
	source       source // of events, those in the channel among them
	machine      *node.Machine
	sender       *leasing.SenderLoop
	opener       *seal.Opener
	start        uint64            // of the session that this daemon seals with
	peerKeys     [256][]seal.KeyID // by slot, the one that the peer seals with first
	confirmed    [256]uint64       // the session that the opener was told of, by slot
	writer       *state.Writer     // of the state
	journal      *observe.Journal
	names        func() *cluster.View
	moves        observe.Moves
	editions     map[uint8]uint32            // of the claims seen last, by peer
	edition      uint32                      // the same of our own
	watched      clock.Instant               // changes of holder were looked for
	workers      []*addresses.Worker         // by the token's number
	runners      map[int]*groups.GroupRunner // by the group's number
	tell         func(any)                   // an event to this loop, from elsewhere
	ready        func(name string) error
	forget       func()                // told that a token which the configuration has no more is off
	asked        map[int]clock.Instant // newest question for the token's addresses
	answerers    map[int]answerer      // by token: what blocked the take that was warned of last
	claims       claims
	raise        func(about, text string, lasts time.Duration) // an alarm in status for a while
	dead         time.Duration
	proofs       observe.Proofs
	forwarding   forwardingCheck
	fights       map[int]time.Time  // tokens taken from us by force, until
	takes        map[int]failedTake // by the token's number
	doubt        func(error)        // has the rights looked at if the error speaks of them
	diskRefuses  bool
	open         map[string]openLease // parts of what enforces the leases that are gone
	doubtful     bool                 // what speaks against this host has changed: judge after this event
	lacking      error                // why no address can be put on here
	kept         []any                // events that outlived a flush
	thawed       chan struct{}        // has what listens for foreign frames begin anew
	replies      map[uint64]chan node.Reply
	lastID       uint64
	reason       []token.Reason // what was last told the machine, by number
	failed       map[int]string // what the hands said last
	longest      time.Duration  // that a lease can last
	leaving      context.CancelCauseFunc
	owns         sync.Map // numbers of held tokens by name, for the hands
	cachedStatus atomic.Pointer[control.Status]
	log          *slog.Logger
}

// run steps the machine until ctx ends.
func (l *loop) run(ctx context.Context) {
	defer context.AfterFunc(ctx, l.source.Stop)()
	for {
		ev := l.source.Next(l.machine.Deadline())
		if ev == nil {
			return
		}
		for _, e := range l.sender.Ended() {
			l.step(e)
		}
		l.handle(ev)
		for len(l.kept) > 0 {
			ev, l.kept = l.kept[0], l.kept[1:]
			l.handle(ev)
		}
		if l.doubtful {
			l.updateEligibility()
		}
	}
}

// post gives the loop an event, or gives up when done is closed first.
func (l *loop) post(ev any, done <-chan struct{}) bool {
	select {
	case l.events <- ev:
		l.source.Ring()
		return true
	case <-done:
		return false
	}
}

// handle takes one event, the daemon's own or the machine's.
func (l *loop) handle(ev any) {
	switch ev := ev.(type) {
	case callOnLoop:
		ev.f()
		l.sender.Stepped(l.Now())
	case linksChanged:
		l.updateEligibility()
	case addressContested:
		l.onContested(ev.name)
	case addressLost:
		l.lost(ev.name, ev.err)
	case leaseLost:
		if i := slices.IndexFunc(l.workers, func(w *addresses.Worker) bool { return w != nil && token.ID(w.Name()) == ev.id }); i >= 0 {
			l.lost(l.workers[i].Name(), ev.err)
		}
	case leaseState:
		l.setLeaseState(ev.what, ev.err)
	case diskState:
		l.diskRefuses = ev.refuses
		l.updateEligibility()
	case lacks:
		l.lacking = ev.err
		l.updateEligibility()
	case journalEvent:
		l.journal.Add(ev.event)
	case token.Up, token.Down, addresses.Failed, answered, peerAsks, proved:
		if list := l.gather(ev); len(list) > 0 {
			l.step(list)
		}
	case restartNow:
		l.leaving(errRestart)
	case heartbeat.Received:
		l.step(ev)
		l.confirm(ev)
		l.noteKeys(ev)
		l.follow(ev)
	default:
		l.step(ev)
	}
}

// gather takes with what the hands did, or heard, whatever else they have by now: a
// thousand addresses that were put on are one decision. What others told waits for its
// turn.
func (l *loop) gather(first any) (list token.Batch) {
	list = l.handed(list, first)
	for range len(l.events) {
		list = l.handed(list, <-l.events)
	}
	return list
}

// handed adds what an event of the hands means to the machine.
func (l *loop) handed(list token.Batch, ev any) token.Batch {
	switch ev := ev.(type) {
	case token.Up:
		return append(list, ev)
	case token.Down:
		return append(list, ev)
	case addresses.Failed:
		l.doubt(ev.Err)
		l.distrust(ev.Token, ev.Err)
		return append(list, ev.Failed)
	case answered, peerAsks, proved:
		if e := l.network(ev); e != nil {
			list = append(list, e)
		}
		return list
	}
	l.kept = append(l.kept, ev)
	return list
}

// step steps the machine and does, in order, what it answers.
func (l *loop) step(ev node.Event) { l.perform(ev, l.decide(ev)) }

// decide steps the machine; what it answers stands until the next step.
func (l *loop) decide(ev node.Event) []node.Action {
	now := l.Now()
	actions := l.machine.Step(now, ev)
	l.sender.Stepped(now)
	return actions
}

// perform does what the machine answered to the event.
func (l *loop) perform(ev node.Event, actions []node.Action) {
	for _, a := range actions {
		l.do(a)
	}
	if list, ok := ev.(token.Batch); ok {
		for _, one := range list {
			l.settle(one)
		}
	} else {
		l.settle(ev)
	}
	l.watch(ev)
}

// settle sees to what one event leaves behind.
func (l *loop) settle(ev node.Event) {
	l.journal.Completed(ev)
	switch ev := ev.(type) {
	case token.Up:
		if _, failed := l.takes[ev.Token]; failed {
			delete(l.takes, ev.Token)
			l.doubtful = true
		}
	case token.Down:
		l.gone(ev.Token)
	case token.ProbeAnswered:
		l.warnOfAnswerer(ev.Token)
	case token.RecordPersisted:
		l.gone(ev.Token)
	}
}

// gone looks whether a token that the configuration has no more is off for good.
func (l *loop) gone(i int) {
	if l.machine.Tokens().Spec(i).Members == nil && l.machine.Tokens().Phase(i) == token.Idle {
		l.forget()
	}
}

// watchEvery is how often changes of holder are looked for where no claims have changed: a
// peer that is back may say what it said before.
const watchEvery = time.Second

// watch notes changes of holder. They come with claims that have changed, a peer's or our
// own.
func (l *loop) watch(ev node.Event) {
	own := l.machine.Tokens().Revision()
	news := own != l.edition
	if r, ok := ev.(heartbeat.Received); ok {
		news = news || l.editions[r.From] != r.Message.Revision || r.Message.Pages > 1
		l.editions[r.From] = r.Message.Revision
	}
	now := l.Now()
	if !news && now.Sub(l.watched) < watchEvery {
		return
	}
	l.edition, l.watched = own, now
	for i, w := range l.workers {
		if w != nil {
			l.moves.Seen(w.Name(), l.machine.Tokens().Active(now, i))
		}
	}
}

// number finds a token by its name, −1 if there is none.
func (l *loop) number(name string) int {
	return slices.IndexFunc(l.workers, func(w *addresses.Worker) bool { return w != nil && w.Name() == name })
}

// confirm tells the seal which session of a peer is the live one, and the disk of
// which start it is: recordings of earlier ones are refused by their header then.
func (l *loop) confirm(r heartbeat.Received) {
	p := l.machine.Beats().Peer(r.From)
	if p == nil || p.Session != r.Session || l.confirmed[r.From] == r.Session {
		return
	}
	if l.opener.Confirm(r.From, r.Session) {
		l.confirmed[r.From] = r.Session
		l.writer.Enqueue(state.PeerStart{Slot: r.From, Start: l.opener.Confirmed(r.From)})
	}
}

// follow beats after a peer whose beat has just been heard, and counted.
func (l *loop) follow(r heartbeat.Received) {
	if l.machine.Beats().Leads(r) {
		l.sender.Follow()
	}
}

// do does one action; none of them waits.
func (l *loop) do(a node.Action) {
	switch a := a.(type) {
	case *node.Payload:
		l.sender.SetPayload(a.Payload)
	case heartbeat.Send:
		l.sender.SendNow(a)
	case heartbeat.SessionReplaced:
		l.outranked(a)
	case token.Lease:
		l.lease(a)
	case *token.Leases:
		l.sender.SetLeases(a.List, l.machine.Tokens().Pinned)
	case token.Acquire:
		l.owns.Store(l.workers[a.Token].Name(), a.Token)
		l.journal.Acquire(a)
		l.warnOfTake(a)
		if !l.workers[a.Token].IsGroup() {
			l.workers[a.Token].Take(a.Epoch)
		}
	case token.Drop:
		l.owns.Delete(l.workers[a.Token].Name())
		l.journal.Drop(a)
		if !l.workers[a.Token].IsGroup() {
			l.workers[a.Token].Drop(a.Epoch)
		}
	case services.Action:
		l.service(a)
	case token.Probe:
		l.ask(a.Token)
	case token.Announce:
		l.workers[a.Token].Announce()
	case token.PersistRecord:
		l.writer.Enqueue(state.Record{Name: l.machine.Tokens().Spec(a.Token).Name, PersistRecord: a})
	case token.ReserveEpochs:
		l.writer.Enqueue(state.Epochs{ReserveEpochs: a})
	case node.KeepSuspended:
		l.writer.Enqueue(state.Suspension{On: a.On})
	case node.KeepStoppedGroups:
		l.writer.Enqueue(state.StoppedGroup{KeepStoppedGroups: a})
	case node.Reply:
		l.reply(a)
	case node.PeerEvent:
		l.journal.Peer(a)
	case node.Flush:
		l.flush()
	case node.Exit:
		l.leaving(errStopped)
	case node.Reexec:
		if a.Awaited {
			l.sender.Extend(l.Now(), node.Grace)
		}
		l.leaving(errRestart)
	}
}

// lease passes a changed lease to the sender loop.
func (l *loop) lease(a token.Lease) {
	now := l.Now()
	v := l.machine.Tokens().Status(now, a.Token)
	l.sender.SetLease(a, leasing.Row{ID: v.Spec.ID, Epoch: a.Epoch, Since: now.Add(-v.Tenure), Pinned: v.Pinned})
}

// owned answers the hands' question before each repeated announcement. The lease
// counts too: after a freeze the hands may be awake before the loop has dropped.
func (l *loop) owned(name string, _ uint64) bool {
	number, ok := l.owns.Load(name)
	return ok && l.Now() < l.sender.Page.Expiry(number.(int))
}

// flush throws away what waits for the loop from before a freeze, and listens to the
// network anew. What the hands and the disk answered stays.
func (l *loop) flush() {
	select {
	case l.thawed <- struct{}{}:
	default:
	}
	for range len(l.events) {
		ev := <-l.events
		if _, message := ev.(heartbeat.Received); !message {
			l.kept = append(l.kept, ev)
		}
	}
}

func (l *loop) reply(r node.Reply) {
	if waiting, ok := l.replies[r.ID]; ok {
		delete(l.replies, r.ID)
		waiting <- r // has room for it
	}
}
