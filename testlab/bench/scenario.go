package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// scenario is one thing that befalls a pair whose hist-a answers.
type scenario struct {
	name, what string
	figures    []figure
	scene      scene
	peers      bool          // what is compared with vipd can play it too
	most       int           // repetitions, however many are asked for; 0 is no limit
	alike      bool          // for every subject: the first is enough
	lasts      time.Duration // of those in which nothing is to happen: how long to watch
	play       func(*trial) error
}

// figure is one thing that is measured of a scenario, and what it should be at most.
type figure struct {
	name, unit string
	goal       goal
}

// goal is what a figure of vipd should be at most.
type goal struct {
	normal, fast float64 // by default, and with profile = "fast"; noGoal is none
	worst        bool    // the worst repetition counts, else the median
}

// title says what befalls the pair, and for how long.
func (s scenario) title() string {
	if s.lasts == 0 {
		return s.what
	}
	return fmt.Sprintf("%s for %.0f s", s.what, s.lasts.Seconds())
}

const noGoal = -1

var none = atMost(noGoal, noGoal)

func atMost(normal, fast float64) goal { return goal{normal: normal, fast: fast} }
func never(most float64) goal          { return goal{normal: most, fast: most, worst: true} }

// of is the goal for a subject, and whether there is one.
func (g goal) of(who *subject) (most float64, ok bool) {
	most = g.normal
	if who.interval == fastInterval {
		most = g.fast
	}
	return most, who.own && most != noGoal
}

// The names of figures that several scenarios share.
const (
	outage  = "outage"
	dual    = "two answer"
	lost    = "lost"
	moved   = "moved after"
	shouted = "announced"
)

// cost is what the daemons use when nobody needs them.
var cost = []figure{{"CPU, active", "% of a core", atMost(0.4, 1.5)}, {"CPU, standby", "% of a core", atMost(0.4, 1.5)}, {"RSS", "MiB", atMost(15, 15)}}

var scenarios = []scenario{
	{
		name: "host-death", what: "hist-a loses power", peers: true,
		figures: []figure{{outage, "ms", atMost(250, 17)}, {dual, "ms", never(0)}},
		play:    func(t *trial) error { return t.change(t.cutPower, nameB) },
	},
	{
		name: "stop", what: "the daemon gets SIGTERM", peers: true,
		figures: []figure{{outage, "ms", atMost(3, 3)}, {lost, "", none}},
		play:    func(t *trial) error { return t.change(t.terminate, nameB) },
	},
	{
		name: "move", what: "an operator moves the address", peers: true,
		figures: []figure{{moved, "ms", never(10)}, {outage, "ms", never(10)}, {lost, "", never(1)}},
		play:    func(t *trial) error { return t.change(t.move, nameB) },
	},
	{
		name: "failback", what: "hist-a boots again", peers: true,
		figures: []figure{{outage, "ms", never(3)}, {lost, "", none}},
		play:    (*trial).failback,
	},
	{
		name: "kill-restart", what: "kill -9 and a supervisor", peers: true,
		// Five milliseconds' dead time is shorter than a start of the daemon.
		figures: []figure{{"answered by hist-b", "", goal{0, noGoal, true}}, {outage, "ms", none}},
		play:    (*trial).killRestart,
	},
	{
		name: "kill", what: "kill -9 of all, no restart, 6 s", peers: true,
		figures: []figure{{outage, "ms", atMost(40, 10)}, {dual, "ms", never(0)}},
		play:    (*trial).kill,
	},
	{
		name: "freeze", what: "SIGSTOP for 5 s, SIGCONT, 2 s", peers: true,
		figures: []figure{{outage, "ms", none}, {dual, "ms", never(0)}, {shouted, "", none}},
		play:    (*trial).freeze,
	},
	{
		name: "cable-one-path", what: "the only cable is pulled", peers: true, scene: scene{onePath: true},
		figures: []figure{{outage, "ms", atMost(250, 17)}},
		play:    func(t *trial) error { return t.change(t.pullCable, nameB) },
	},
	{
		name: "cable", what: "the service cable is pulled", peers: true,
		figures: []figure{{outage, "ms", atMost(5, 5)}},
		play:    func(t *trial) error { return t.change(t.pullCable, nameB) },
	},
	{
		name: "partition-heals", what: "hist-a, cut off unnoticed, is back", peers: true,
		figures: []figure{{outage, "ms", never(5)}, {dual, "ms", none}},
		play:    (*trial).partitionHeals,
	},
	{
		name: "heals-forth", what: "of a total cut hist-a to hist-b heals 1 s before the other way", peers: true,
		figures: []figure{{outage, "ms", never(5)}, {dual, "ms", none}},
		play:    (*trial).healsForth,
	},
	{
		name: "heals-back", what: "of a total cut hist-b to hist-a heals 1 s before the other way", peers: true,
		figures: []figure{{outage, "ms", never(5)}, {dual, "ms", none}},
		play:    (*trial).healsBack,
	},
	{
		name: "one-way", what: "hist-b doesn't hear hist-a, 4 s", peers: true,
		figures: []figure{{dual, "ms", atMost(100, 10)}, {shouted + " a second", "", never(10)}, {outage, "ms", none}},
		play:    (*trial).oneWay,
	},
	{
		name: "addresses", what: "200 addresses after host death", peers: true, scene: scene{addresses: 199},
		figures: []figure{{"first to last", "ms", atMost(5, 5)}, {"all told after", "ms", none}, {"all answered after", "ms", none}},
		play:    (*trial).manyAddresses,
	},
	{
		name: "addresses-1000", what: "1000 addresses after host death", peers: true, scene: scene{addresses: 999},
		figures: []figure{{"first to last", "ms", atMost(40, 40)}, {"all told after", "ms", none}, {"all answered after", "ms", none}},
		play:    (*trial).thousandAddresses,
	},
	{
		name: "load", what: "two busy loops on each core", peers: true, most: 2, lasts: loadedFor,
		figures: []figure{{flips, "", never(0)}, {dual, "ms", never(0)}, {outage, "ms", none}},
		play:    (*trial).load,
	},
	{
		name: "load-ordinary", what: "two busy loops on each core, and no right to run before others", peers: true, scene: scene{ordinary: true}, most: 2, lasts: loadedFor,
		figures: []figure{{flips, "", never(2)}, {dual, "ms", never(0)}, {outage, "ms", none}},
		play:    (*trial).load,
	},
	{
		name: "idle", what: "nothing happens", peers: true, most: 3, lasts: idleFor,
		figures: cost, play: (*trial).idle,
	},
	{
		// What is compared with vipd knows one network only.
		name: "idle-one-path", what: "nothing happens on one network", peers: true, scene: scene{onePath: true}, most: 3, lasts: idleFor,
		figures: cost, play: (*trial).idle,
	},
	{
		name: "process-death", what: "a process dies, the other host runs its like",
		figures: []figure{{moved, "ms", atMost(10, 10)}, {outage, "ms", none}, {dual, "ms", never(0)}},
		play:    (*trial).processDeath,
	},
	{
		name: "check-fails", what: fmt.Sprintf("a check of every %v fails", checkPeriod),
		figures: []figure{{moved, "ms", atMost(ms(checkPeriod)+15, ms(checkPeriod)+15)}, {outage, "ms", none}, {dual, "ms", never(0)}},
		play:    (*trial).checkFails,
	},
	{
		name: "stop-stubborn", what: fmt.Sprintf("a group that ignores SIGTERM is stopped, grace %v", stopGrace),
		figures: []figure{{"gone after the grace", "ms", never(50)}, {"survivors", "", never(0)}},
		play:    (*trial).stopStubborn,
	},
	{
		name: "idle-groups", what: fmt.Sprintf("nothing happens to %d groups", idleGroups), most: 3, lasts: idleFor,
		figures: []figure{{"CPU more, active", "% of a core", atMost(1, 1)}, {"CPU more, standby", "% of a core", atMost(1, 1)},
			{"CPU, active", "% of a core", none}, {"CPU, standby", "% of a core", none}},
		play: (*trial).groupsCost,
	},
	{
		name: "start", what: "from exec to an answer on the socket",
		figures: []figure{{"ready after", "ms", atMost(50, 50)}},
		play:    (*trial).start,
	},
	{
		name: "size", what: "built as a release", most: 1, alike: true,
		figures: []figure{{"binary", "MB", atMost(12, 12)}},
		play:    (*trial).size,
	},
}

const (
	killWatched   = 6 * time.Second
	frozenFor     = 5 * time.Second
	thawedWatched = 2 * time.Second
	oneWayFor     = 4 * time.Second
	idleFor       = 20 * time.Second
	loadedFor     = time.Minute
)

// choose finds scenarios by their names, separated by commas; all of them for none. Those
// that last are watched for that long if it is not 0.
func choose(names string, watch time.Duration) (chosen []scenario, err error) {
	if watch < 0 || watch > longestWatch {
		return nil, fmt.Errorf("-watch %v: between 0 and %v", watch, longestWatch)
	}
	if chosen, err = named(names); err != nil || watch == 0 {
		return chosen, err
	}
	for i := range chosen {
		if chosen[i].lasts > 0 {
			chosen[i].lasts = watch
		}
	}
	return chosen, nil
}

func named(names string) (chosen []scenario, err error) {
	if names == "" {
		return slices.Clone(scenarios), nil
	}
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-scenario: no scenario %q; \"list\" names them", name)
		}
		chosen = append(chosen, scenarios[i])
	}
	return chosen, nil
}

func list(out io.Writer) error {
	for _, s := range scenarios {
		if _, err := fmt.Fprintf(out, "%-16s %s\n", s.name, s.title()); err != nil {
			return err
		}
	}
	return nil
}
