package services

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// A story is a file of testdata. Its lines are
//
//	group NAME units=a,b [after=x,y] [check=NAME/RISE/FALL]… [grace=3s] [restart=2/60s] [stop=10s]
//	TIME EVENT [=> ACTION, ACTION] [| STATE ["text"]]
//
// Events name a unit as GROUP.UNIT and a check as GROUP/CHECK. Answers belong to
// the newest order of their unit or check; "late" before one takes the order
// before that. A line must give exactly its actions, but for Changed; STATE is
// that of the event's group.
type story struct {
	t      *testing.T
	where  string
	specs  []Spec
	m      *Machine
	now    clock.Instant
	orders map[string][]uint64 // by what they were for
}

func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.story")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".story"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &story{t: t, orders: map[string][]uint64{}}
			for n, line := range strings.Split(string(text), "\n") {
				s.where = fmt.Sprintf("%s:%d", file, n+1)
				s.line(strings.TrimSpace(line))
			}
		})
	}
}

func (s *story) line(line string) {
	s.t.Helper()
	if rest, is := strings.CutPrefix(line, "group "); is {
		s.specs = append(s.specs, parseSpec(s.t, rest))
		return
	}
	if line == "" || line[0] == '#' {
		return
	}
	if s.m == nil {
		s.m = New(s.specs, at(0))
	}
	line, state, _ := strings.Cut(line, " | ")
	line, want, _ := strings.Cut(line, " => ")
	when, event, _ := strings.Cut(line, " ")
	d, err := time.ParseDuration(when)
	if err != nil || at(d) < s.now {
		s.t.Fatalf("%s: time %q", s.where, when)
	}
	s.now = at(d)
	ev, name := s.event(strings.TrimSpace(event))
	if got := s.told(s.m.Step(s.now, ev)); got != strings.TrimSpace(want) {
		s.t.Fatalf("%s: got  %s\n\twant %s", s.where, got, want)
	}
	s.look(s.m.Number(name), state)
}

// look compares the state and, if the story has one, the text.
func (s *story) look(group int, want string) {
	if want == "" {
		return
	}
	v := s.m.Look(group)
	got := v.State.String()
	if strings.Contains(want, `"`) {
		got += fmt.Sprintf(" %q", v.Text)
	}
	if got != strings.TrimSpace(want) {
		s.t.Fatalf("%s: is %s, want %s", s.where, got, want)
	}
}

// event reads an event and the group that it is about.
func (s *story) event(text string) (Event, string) {
	back := 1
	if rest, late := strings.CutPrefix(text, "late "); late {
		text, back = rest, 2
	}
	verb, rest, _ := strings.Cut(text, " ")
	what, words, _ := strings.Cut(rest, " ")
	name, unit, _ := strings.Cut(what, ".")
	name, check, _ := strings.Cut(name, "/")
	g := s.m.Number(name)
	u := s.place(g, unit, func(s Spec) []string { return s.Units })
	order := s.newest(what, back)
	switch verb {
	case "grant":
		return Grant{Group: g, Epoch: s.number(words)}, name
	case "adopt":
		return s.adopt(g, words), name
	case "started":
		return Started{g, u, order}, name
	case "startfailed":
		return StartFailed{g, u, order, words}, name
	case "died":
		return Died{g, u, order, words}, name
	case "stopped":
		return Stopped{g, u, order}, name
	case "stopfailed":
		return StopFailed{g, u, order, words}, name
	case "ok", "bad":
		c := s.place(g, check, func(s Spec) (list []string) {
			for _, c := range s.Checks {
				list = append(list, c.Name)
			}
			return list
		})
		return Result{g, c, s.newest(name+"/", back), verb == "ok", words}, name
	}
	return s.wish(verb, rest, g), name
}

// wish reads what is for the group as a whole.
func (s *story) wish(verb, rest string, g int) Event {
	switch verb {
	case "tick":
		return Tick{}
	case "revoke":
		return Revoke{g}
	case "reset":
		return Reset{g}
	case "restart":
		return Restart{g}
	case "reconfigure": // one group's line replaces it; a bare name takes it away
		spec := parseSpec(s.t, rest)
		s.specs = slices.DeleteFunc(slices.Clone(s.specs), func(old Spec) bool { return old.Name == spec.Name })
		if len(spec.Units) > 0 {
			s.specs = append(s.specs, spec)
		}
		return Reconfigure{s.specs}
	}
	s.t.Fatalf("%s: no event %q", s.where, verb)
	return nil
}

// adopt reads the epoch and the units that were found running.
func (s *story) adopt(g int, words string) Event {
	epoch, found, _ := strings.Cut(words, " ")
	e := Adopt{Group: g, Epoch: s.number(epoch)}
	for _, unit := range s.m.groups[g].spec.Units {
		e.Running = append(e.Running, slices.Contains(strings.Fields(found), unit))
	}
	return e
}

func (s *story) place(g int, name string, list func(Spec) []string) int {
	if g < 0 || name == "" {
		return -1
	}
	return slices.Index(list(s.m.groups[g].spec), name)
}

func (s *story) number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		s.t.Fatalf("%s: %v", s.where, err)
	}
	return n
}

// newest returns the order that an answer is to: 0 if there was none.
func (s *story) newest(what string, back int) uint64 {
	if list := s.orders[what]; len(list) >= back {
		return list[len(list)-back]
	}
	return 0
}

// told writes actions as the stories have them, and notes their orders.
func (s *story) told(actions []Action) string {
	var list []string
	for _, a := range actions {
		switch a := a.(type) {
		case Start:
			list = append(list, "start "+s.note(a.Group, a.Unit, a.Order))
		case Stop:
			list = append(list, "stop "+s.note(a.Group, a.Unit, a.Order))
		case Probe:
			name := s.m.groups[a.Group].spec.Name
			word := map[bool]string{true: "probe ", false: "unprobe "}[a.On]
			if a.On {
				s.orders[name+"/"] = append(s.orders[name+"/"], a.Order)
			}
			list = append(list, word+name)
		case Up:
			list = append(list, fmt.Sprintf("up %s %d", s.m.groups[a.Group].spec.Name, a.Epoch))
		case Failed:
			list = append(list, fmt.Sprintf("failed %s %d", s.m.groups[a.Group].spec.Name, a.Epoch))
		case Down:
			list = append(list, "down "+s.m.groups[a.Group].spec.Name)
		}
	}
	return strings.Join(list, ", ")
}

func (s *story) note(g, u int, order uint64) string {
	spec := s.m.groups[g].spec
	what := spec.Name + "." + spec.Units[u]
	s.orders[what] = append(s.orders[what], order)
	return what
}

func at(d time.Duration) clock.Instant { return clock.Instant(time.Hour + d) }

// parseSpec reads a group's line, after its first word.
func parseSpec(t *testing.T, line string) Spec {
	t.Helper()
	words := strings.Fields(line)
	spec := Spec{Name: words[0], StopTimeout: 10 * time.Second}
	duration := func(text string) time.Duration {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		parts := strings.Split(value, "/")
		switch key {
		case "units":
			spec.Units = strings.Split(value, ",")
		case "after":
			spec.After = strings.Split(value, ",")
		case "check":
			rise, _ := strconv.Atoi(parts[1])
			fall, _ := strconv.Atoi(parts[2])
			spec.Checks = append(spec.Checks, Check{Name: parts[0], Rise: rise, Fall: fall})
		case "grace":
			spec.StartGrace = duration(value)
		case "restart":
			attempts, _ := strconv.Atoi(parts[0])
			spec.Restart = Allowance{Attempts: attempts, Within: duration(parts[1])}
		case "stop":
			spec.StopTimeout = duration(value)
		default:
			t.Fatalf("no key %q", key)
		}
	}
	return spec
}
