package sim

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"vipd/vipd/node"
)

var (
	seed      = flag.Uint64("seed", 0, "play this one seed and print what happens")
	schedules = flag.Int("schedules", fromEnvironment("VIPD_SCHEDULES", 3000), "how many schedules to play")
	first     = flag.Uint64("first", 1, "the first seed")
	kindsOn   = flag.String("kinds", "usual", "the kinds of trouble that some schedules have beside the usual ones, with commas between; none, usual, all")
	stop      = flag.Bool("stop", false, "stop at the first violation")
)

// enough is from how many schedules on everything must have been reached.
const enough = 1000

func fromEnvironment(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func TestSchedules(t *testing.T) {
	on, err := ParseExtras(*kindsOn)
	if err != nil {
		t.Fatal(err)
	}
	if *seed != 0 {
		replay(t, *seed, on)
		return
	}
	r := runner{on: on, first: *first, left: *schedules, stop: *stop}
	r.run()
	t.Logf("%d schedules, %d seeds left out, %d steps, %v simulated in %v%v", r.played, r.passed, r.total.Steps, r.total.Simulated.Round(time.Second), r.wall.Round(time.Millisecond), &r.total.Coverage)
	for i, f := range r.failed {
		if i == 20 {
			t.Errorf("and %d more", len(r.failed)-i)
			break
		}
		t.Errorf("seed %d: %s (replay: go test ./testlab/sim -run Schedules -kinds %v -seed %d)", f.Seed, f.Violation, *kindsOn, f.Seed)
	}
	if missing := r.total.Coverage.Missing(on); r.played >= enough && len(missing) > 0 {
		t.Errorf("never reached: %q", missing)
	}
}

// found are seeds beyond those usually played whose schedules once failed, with the kinds
// of trouble that they have beside the usual ones.
var found = []struct {
	seed uint64
	on   Extras
}{
	{202947, 0},     // a cut of two thirds of a dead time, healed just before the lease's end
	{117509, 0},     // a rival comes and goes while the lease has run out
	{39792, 0},      // a group leaves the configuration in the instant of a thaw, its lease run out
	{131469, 0},     // a rival that does not hear is waited for, by a slow clock
	{38881, 0},      // the first word after a cut is an answer, and tells of a rival
	{91605, 0},      // five nodes give the holder more orders at once than it has room to sign
	{700078749, 0},  // late by less than half an interval while its lease runs out, with the heartbeats cut
	{700004890, 0},  // a group's token leaves the configuration while its units stop
	{38221, 0},      // a silence shorter than a dead time: what was renewed alone must not stand
	{35, LostState}, // a state file is lost right after a grant that was a little ahead of the clock
	{2170, Growth},  // a grant on silence by a daemon that is killed before any word of it got out

	{55501000000509, 0},        // a daemon that adopted a lease hears a peer that does not hear yet that it has begun
	{77001234500504, Proxy},    // an answer without a proof, and a third node whose words are late
	{77001234502402, LateLoop}, // a holder that thinks itself alone, for its peer is late, is killed
	{616160002807, Usual},      // a node never heard its rival, which announced last and died
	{616160021026, Usual},      // a unit dies while its group's lease has run out
	{202611290021194, Usual},   // both nodes offer each other tokens whose claims take several messages
	{202611290199752, Usual},   // a group follows another one, whose holder's claims take several messages
	{500000269448, Usual},      // a state file that is an old copy, on a disk that is full then
	{400000128404, Usual},      // a rival takes longer than an interval to remove the address again
	{202611290205568, Usual},   // a rival that did not hear hears again, right before it would be waited for no longer
}

func TestFoundSchedules(t *testing.T) {
	for _, f := range found {
		if r := Run(Draw(f.seed, f.on), nil); r.Violation != "" {
			t.Errorf("seed %d: %s (replay: go test ./testlab/sim -run Schedules -kinds %v -seed %d)", f.seed, r.Violation, f.on, f.seed)
		}
	}
}

func replay(t *testing.T, seed uint64, on Extras) {
	p := Draw(seed, on)
	fmt.Print(p.String())
	r := Run(p, func(f string, a ...any) { fmt.Printf("  "+f+"\n", a...) })
	if r.Violation != "" {
		t.Fatalf("seed %d: %s", seed, r.Violation)
	}
}

// The same seed must give the same run, or replaying shows nothing.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed < 20; seed++ {
		if a, b := Run(Draw(seed, AllExtras), nil), Run(Draw(seed, AllExtras), nil); a != b {
			t.Errorf("seed %d ran differently: %+v and %+v", seed, a, b)
		}
	}
}

// runner plays schedules on every processor.
type runner struct {
	on     Extras
	mu     sync.Mutex
	first  uint64
	left   int
	stop   bool
	played int
	passed int // seeds left out
	total  Result
	failed []Result
	wall   time.Duration
}

func (r *runner) run() {
	var group sync.WaitGroup
	begin := time.Now()
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for seed, ok := r.next(); ok; seed, ok = r.next() {
				if p := Draw(seed, r.on); p.Sampled() {
					r.take(Run(p, nil))
				} else {
					r.pass()
				}
			}
		})
	}
	group.Wait()
	r.wall = time.Since(begin)
}

func (r *runner) next() (seed uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 || r.stop && len(r.failed) > 0 {
		return 0, false
	}
	r.left--
	r.first++
	return r.first - 1, true
}

// pass leaves out a seed, for which another one is played.
func (r *runner) pass() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left++
	r.passed++
}

func (r *runner) take(x Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.played++
	r.total.Steps += x.Steps
	r.total.Simulated += x.Simulated
	r.total.Coverage.Add(&x.Coverage)
	if x.Violation != "" {
		r.failed = append(r.failed, x)
	}
}

// A schedule with recordings in it is, but for what is said of sessions that have not
// proved themselves, the schedule without them: whatever is replayed, to whom, in which
// silence, at which rate, the nodes decide and send the same at the same instant.
func TestReplaysChangeNothing(t *testing.T) {
	played, replayed := 0, 0
	for seed := *first; played < *schedules/30; seed++ {
		p := Draw(seed, 0)
		if p.Class != Storm {
			continue
		}
		played++
		p.drawAttack(&random{seed})
		p.Whole = true
		with, counted := decisions(p, true)
		without, _ := decisions(p, false)
		replayed += counted
		if at := differ(with, without); at >= 0 {
			t.Errorf("seed %d: differs by recordings:\n  with    %v\n  without %v", seed, with[at:min(at+3, len(with))], without[at:min(at+3, len(without))])
			return
		}
	}
	t.Logf("%d schedules, %d recorded datagrams replayed", played, replayed)
	if replayed < 100*played {
		t.Errorf("%d recorded datagrams in %d schedules", replayed, played)
	}
}

// deed is what a node did.
type deed struct {
	at   int64
	host int
	what string
}

func (d deed) String() string {
	return fmt.Sprintf("%v %c %s", time.Duration(d.at), 'a'+d.host, d.what)
}

// differ returns the place of the first difference, −1 if there is none.
func differ(a, b []deed) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

// decisions plays the plan, and returns all that the nodes did. Without an attack the
// machines are stepped at the same instants by what says nothing, for a step may do by a
// little earlier what the next one would have done.
func decisions(p Plan, attack bool) (list []deed, replayed int) {
	w := New(p)
	w.mute = !attack
	w.Observe = func(h *Host, what any) {
		if _, said := what.(*node.Payload); !said {
			list = append(list, deed{w.Now, int(h.Slot) - 1, fmt.Sprintf("%T%+v", what, what)})
		}
	}
	w.play()
	return list, w.check.Replayed
}
