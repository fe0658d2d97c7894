package window

import (
	"bytes"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"sort"
	"sync"
	"testing"
	"time"

	"vipd/pgm/packet"
)

var (
	schedules = flag.Int("schedules", 1500, "how many simulated schedules to run")
	oneSeed   = flag.Uint64("seed", 0, "run this schedule alone")
)

// reach counts how often each state and event was reached.
type reach struct {
	n         map[string]int
	steps     int
	simulated time.Duration
}

func (r *reach) count(s string) { r.n[s]++ }

func (r *reach) add(o *reach) {
	for s, n := range o.n {
		r.n[s] += n
	}
	r.steps += o.steps
	r.simulated += o.simulated
}

// mustReach are the states and transitions that a run of any length has to
// show.
var mustReach = []string{
	"backOff", "waitNCF", "waitData", "have", "passed", "message", "fragmented", "hole", "broken", "finish", "reset",
	"blocked", "left behind", "caught up", "kept", "duplicate", "old", "beyond the window", "stale SPM", "NCF suppressed", "late join",
	"restart", "restart after a finish", "doubt", "doubt ended", "end told once", "goodbye", "added", "forged",
}

// play runs one schedule.
func play(seed uint64, reached *reach) error {
	w := drawWorld(seed, reached)
	err := w.run()
	reached.simulated += time.Duration(w.now)
	switch {
	case err != nil:
		return fmt.Errorf("seed %d: at %v: %w\n%v\nagain with -seed %d", seed, time.Duration(w.now), err, w.draw, seed)
	case w.faults < 3:
		return fmt.Errorf("seed %d: only %d faults", seed, w.faults)
	}
	return nil
}

func TestSimulation(t *testing.T) {
	if *oneSeed != 0 {
		if err := play(*oneSeed, &reach{n: map[string]int{}}); err != nil {
			t.Fatal(err)
		}
		return
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // worlds are made and thrown away
	reached, count := &reach{n: map[string]int{}}, uint64(*schedules)
	var mu sync.Mutex
	var players sync.WaitGroup
	workers := uint64(runtime.GOMAXPROCS(0))
	for worker := range workers {
		players.Go(func() {
			mine := &reach{n: map[string]int{}}
			for seed := worker + 1; seed <= count && !t.Failed(); seed += workers {
				if err := play(seed, mine); err != nil {
					t.Error(err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			reached.add(mine)
		})
	}
	players.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d schedules, %d steps, %v simulated", count, reached.steps, reached.simulated.Round(time.Second))
	for _, s := range mustReach {
		if reached.n[s] == 0 {
			t.Errorf("%q was never reached", s)
		}
	}
	var names []string
	for s, n := range reached.n {
		names = append(names, fmt.Sprintf("%s %d", s, n))
	}
	sort.Strings(names)
	t.Logf("reached: %q", names)
}

// step is the world's shortest tick.
const step = time.Millisecond

// run plays the schedule, then lets the faults stop and waits for everybody to
// finish.
func (w *world) run() error {
	patience := w.end.Add(30 * time.Second)
	for !w.allFinished() {
		if w.now > patience {
			return fmt.Errorf("live-lock: %s", w.unfinished())
		}
		if w.now >= w.end {
			w.draw.loss, w.draw.dup = 0, 0
		}
		if err := w.tick(); err != nil {
			return err
		}
		w.now = w.nextMoment()
		w.reached.steps++
	}
	return nil
}

// nextMoment skips time in which nothing happens, 10 ms at most.
func (w *world) nextMoment() Instant {
	soon := min(w.now.Add(10*step), w.timer.Deadline())
	if w.now < w.end {
		soon = min(soon, w.nextSend)
	}
	if len(w.flights) > 0 {
		soon = min(soon, w.flights[0].at)
	}
	for _, l := range w.receivers {
		soon = min(soon, l.s.Deadline())
	}
	return max(soon, w.now.Add(step))
}

func (w *world) allFinished() bool {
	for _, l := range w.receivers {
		if !l.finished {
			return false
		}
	}
	return true
}

func (w *world) unfinished() string {
	s := ""
	for i, l := range w.receivers {
		s += fmt.Sprintf("receiver %d: finished %v next %d lead %d waiting %d; ", i, l.finished, l.s.Live().Next(), l.s.Live().Lead(), l.s.Live().Waiting())
	}
	return fmt.Sprintf("%s source %d..%d", s, w.send.Trail(), w.send.Lead())
}

// tick is one step of the source, the network and the receivers.
func (w *world) tick() error {
	switch {
	case w.dead && w.now >= w.reviveAt:
		w.revive()
	case !w.dead && len(w.crashes) > 0 && w.now >= w.crashes[0]:
		w.die()
	}
	if w.draw.forge && w.now < w.end && w.now >= w.forgeAt && w.now > 300*ms {
		w.forge()
	}
	if !w.dead {
		if w.now < w.end && w.now >= w.nextSend && !w.closing {
			w.sendMessage()
			w.nextSend = w.now.Add(w.draw.interval)
		}
		w.send.Advance(w.now, w.flow.Hold(w.send.Next()))
		if w.timer.Due(w.now) {
			w.sendSPM(w.now >= w.end || w.closing)
			if w.timer.Deadline() <= w.now {
				return fmt.Errorf("SPM deadline stays in the past")
			}
		}
	}
	for len(w.flights) > 0 && w.flights[0].at <= w.now {
		w.land(w.flights.pop())
	}
	if w.wrong != nil {
		return w.wrong
	}
	for i, l := range w.receivers {
		if err := w.listen(i, l); err != nil {
			return fmt.Errorf("receiver %d: %w", i, err)
		}
	}
	if w.now >= w.nextTell {
		w.tell()
		w.nextTell = w.now.Add(10 * time.Millisecond)
	}
	return nil
}

// tell carries the receivers' progress to the source.
func (w *world) tell() {
	if !w.draw.flow {
		return
	}
	for i, l := range w.receivers {
		switch r := l.s.Live(); {
		case l.leavesAt > 0 && w.now >= l.leavesAt && !w.flow.Gone(i):
			w.flow.Remove(i) // goodbye
			w.reached.count("goodbye")
			continue
		case l.leavesAt > 0 && w.now >= l.leavesAt, w.now < l.bornAt:
			continue
		case w.flow.Gone(i):
			w.flow.Reset(i, w.send.Trail())
			w.reached.count("added")
		case !r.Joined() || within(l.deaf, w.now) || w.dead || l.newest() != w.life:
			continue // of another life: not believed
		}
		r := l.s.Live()
		if !r.Joined() {
			continue
		}
		p := Progress{Next: r.Next(), Edge: r.Room(), Lost: uint64(l.lost)}
		if w.flow.Report(i, p, w.send.Trail(), w.send.Next()) {
			w.reached.count("caught up")
		}
	}
}

// land delivers one packet.
func (w *world) land(f flight) {
	p := &w.scratch
	if err := p.Parse(f.b); err != nil {
		panic(err) // our own octets
	}
	if f.to < 0 {
		w.hearUpstream(p)
		return
	}
	l := w.receivers[f.to]
	if w.now < l.bornAt || within(l.deaf, w.now) || l.finished {
		return
	}
	switch r := l.s.Live(); p.Type {
	case packet.SPM:
		w.reached.count(l.s.SPM(w.now, p).String())
	case packet.NCF:
		for _, s := range append([]packet.Seq{p.Seq}, p.Options.NAKList...) {
			if n := s.From(r.next); r.joined && n >= 0 && s.Before(r.edge) && r.slots[r.index(s)].state == backOff {
				w.reached.count("NCF suppressed")
			}
			l.s.NCF(w.now, s)
		}
	default:
		w.reached.count(l.s.Data(w.now, p, func(b []byte) []byte { return append([]byte(nil), b...) }).String())
	}
	if l.s.live.ending.told {
		w.reached.count("end told once")
	}
	if !l.started && l.s.Live().Joined() {
		l.started, l.pos, l.life = true, l.s.Live().Next(), w.life
		l.joined = l.pos
		if l.pos.Before(p.Trail) {
			w.wrong = fmt.Errorf("receiver %d joined at %d, before the trail %d", f.to, l.pos, p.Trail)
		}
		if l.pos != w.life.first {
			w.reached.count("late join")
		}
	}
}

// newest is the life of the source that the receiver listens to.
func (l *listener) newest() *life {
	if n := len(l.coming); n > 0 {
		return l.coming[n-1]
	}
	return l.life
}

// watch notes when a receiver goes over to another life, and wants the source to have
// begun one.
func (w *world) watch(l *listener) error {
	if l.s.other != nil {
		w.reached.count("doubt")
	} else if l.doubted {
		w.reached.count("doubt ended")
	}
	l.doubted = l.s.other != nil
	if l.s.Live() == l.lived {
		return nil
	}
	if l.newest() == w.life {
		return fmt.Errorf("takes the life %d for another one", w.index)
	}
	l.lived = l.s.Live()
	l.coming = append(l.coming, w.life)
	return nil
}

// listen lets a receiver ask for what is due and hand on what is ready.
func (w *world) listen(i int, l *listener) error {
	if l.leavesAt > 0 && w.now >= l.leavesAt {
		l.finished = true
		return nil
	}
	for rounds := 0; ; rounds++ {
		asked := l.s.Due(w.now, w.due[:0])
		if len(asked) == 0 {
			break
		}
		if rounds > 1<<12 {
			return fmt.Errorf("asks without end")
		}
		if l.naks += len(asked); l.naks > 200*(w.sent()+1)*w.draw.fragments {
			return fmt.Errorf("asked %d times", l.naks)
		}
		nak := packet.Packet{Type: packet.NAK, Seq: asked[0], Source: worldSource, Group: worldGroup}
		if len(asked) > 1 {
			nak.Options.With(packet.OptNAKList).NAKList = asked[1:]
		}
		w.fly(-1, i, nak.Append(nil))
	}
	if l.s.Question(w.now) {
		q := packet.Packet{Type: packet.SPMR}
		w.fly(-1, i, q.Append(nil))
	}
	if d := l.s.Deadline(); d <= w.now {
		return fmt.Errorf("deadline %v stays in the past", time.Duration(d))
	}
	if err := w.watch(l); err != nil {
		return err
	}
	if err := w.audit(l.s.Live()); err != nil {
		return err
	}
	if within(l.stalled, w.now) {
		return nil
	}
	for {
		item := l.s.Pull()
		if item.Kind == Nothing {
			return nil
		}
		if err := w.check(l, item); err != nil {
			return err
		}
	}
}

// audit looks into a window now and then.
func (w *world) audit(r *Receive) error {
	if w.r.IntN(64) != 0 {
		return nil
	}
	for s := r.next; s.Before(r.edge); s = s.Add(1) {
		w.reached.count([]string{"unknown", "backOff", "waitNCF", "waitData", "have", "passed", "gaveUp"}[r.slots[r.index(s)].state])
	}
	return inOrder(r)
}

// inOrder compares the queues with the slots, and both with what is counted.
func inOrder(r *Receive) error {
	waiting, stored := 0, 0
	for s := r.next; s.Before(r.edge); s = s.Add(1) {
		sl := &r.slots[r.index(s)]
		if sl.state == have {
			stored++
		}
		if sl.state.waiting() {
			waiting++
			if sl.seq != s {
				return fmt.Errorf("slot of %d is named %d", s, sl.seq)
			}
		}
	}
	queued := 0
	for q := range r.queues {
		last := Instant(0)
		for i := r.queues[q].first; i != none; i = r.slots[i].next {
			if r.slots[i].deadline < last {
				return fmt.Errorf("queue %d out of order", q)
			}
			last = r.slots[i].deadline
			queued++
		}
	}
	if waiting != r.Waiting() || waiting != queued || stored != r.stored {
		return fmt.Errorf("%d numbers wait, %d are queued, %d are counted; %d are held, %d are counted", waiting, queued, r.Waiting(), stored, r.stored)
	}
	return nil
}

// check holds what a receiver hands on against what was sent.
func (w *world) check(l *listener, item Item) error {
	switch item.Kind {
	case Message:
		if item.First != l.pos && l.got+l.lost > 0 {
			return fmt.Errorf("message is numbered %d, expected at %d", item.First, l.pos)
		}
		return w.checkMessage(l, item.Message)
	case Hole:
		err := w.checkHole(l, item.Loss)
		if r := l.s.live; r.settled && r.next.After(r.lead) {
			l.afterHole = false // the source had sent no more; what it sends next may be lost too
		}
		return err
	case Restart:
		return w.checkRestart(l)
	}
	if l.life != w.life || w.dead || w.closing {
		l.over = true
		if item.End.Reset || item.End.Silent || !w.draw.finish {
			return fmt.Errorf("life %d ended with %+v", l.life.index, item.End)
		}
		return nil
	}
	l.finished = true
	if item.End.Reset {
		w.reached.count("reset")
	}
	w.reached.count("finish")
	if w.now < w.end || item.End.Reset != w.draw.reset || item.End.Reset != (item.End.Code == 2) {
		return fmt.Errorf("ended with %+v", item.End)
	}
	last := w.messages[max(len(w.messages)-1, 0):]
	begunBefore := l.got+l.lost == 0 && len(last) == 1 && last[0].first.Before(l.joined) // when it joined
	if l.started && l.pos != w.send.Next() && !begunBefore {
		return fmt.Errorf("ended at %d, source sent up to %d", l.pos, w.send.Lead())
	}
	return nil
}

// checkRestart goes over to the next life that the receiver has heard.
func (w *world) checkRestart(l *listener) error {
	if len(l.coming) == 0 {
		return fmt.Errorf("restart without another life")
	}
	w.reached.count("restart")
	if l.over {
		w.reached.count("restart after a finish")
	}
	l.life, l.coming = l.coming[0], l.coming[1:]
	l.pos, l.afterHole, l.over, l.got, l.lost = l.s.Live().first, false, false, 0, 0
	if len(l.s.old) > 0 {
		l.pos = l.s.old[0].first
	}
	l.joined = l.pos
	return nil
}

// sent is how many messages all lives have sent.
func (w *world) sent() (n int) {
	for _, f := range w.lives {
		n += len(f.messages)
	}
	return n
}

func (w *world) checkMessage(l *listener, m []byte) error {
	f := l.life
	if i, ok := f.firstOf[l.pos]; !ok {
		// A message may only be skipped silently when it began before we joined.
		if l.got > 0 || l.lost > 0 {
			return fmt.Errorf("message %x at %d, where none starts", m, l.pos)
		}
		for f.firstOf[l.pos] == 0 && l.pos != f.messages[0].first && l.pos.Before(f.send.Next()) {
			l.pos = l.pos.Add(1)
		}
	} else if !bytes.Equal(f.messages[i].body, m) {
		return fmt.Errorf("at %d got %x, want %x", l.pos, m, f.messages[i].body)
	}
	sent := f.messages[f.firstOf[l.pos]]
	if !bytes.Equal(sent.body, m) {
		return fmt.Errorf("at %d got %x, want %x", l.pos, m, sent.body)
	}
	w.reached.count("message")
	if sent.first != sent.last {
		w.reached.count("fragmented")
	}
	l.pos, l.afterHole = sent.last.Add(1), false
	l.got++
	return nil
}

func (w *world) checkHole(l *listener, h Loss) error {
	w.reached.count("hole")
	if h.Broken > 0 {
		w.reached.count("broken")
	}
	switch {
	case h.First.Before(l.pos), l.got+l.lost > 0 && h.First != l.pos:
		return fmt.Errorf("hole %+v, expected it at %d", h, l.pos)
	case h.Count() != h.Last.From(h.First)+1:
		return fmt.Errorf("hole %+v counts %d", h, h.Count())
	case l.afterHole:
		return fmt.Errorf("hole %+v is the same as the one before it", h)
	case h.GaveUp > 0 && l.life == w.life && !w.dead:
		return fmt.Errorf("hole %+v: gave up with %d tries to go", h, 200)
	case h.Passed > 0 && !h.First.Before(l.life.send.Trail()) && !w.draw.reset:
		return fmt.Errorf("hole %+v, but the source can repair from %d", h, l.life.send.Trail())
	case w.draw.flow && !l.leftBehind && !w.draw.reset && l.life == w.life && l.s.Live().first == w.life.first && l.bornAt == 0:
		return fmt.Errorf("hole %+v in spite of flow control", h)
	}
	l.pos, l.afterHole = h.Last.Add(1), true
	l.lost += h.Count()
	return nil
}
