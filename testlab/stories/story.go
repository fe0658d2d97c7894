package stories

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vipd/testlab/sim"
	"vipd/token"
)

// Story is one tale: a configuration and what befalls it.
type Story struct {
	Comment []string // its first lines
	Plan    sim.Plan
	Until   time.Duration

	vips  []string
	needs []need
	after [][]int // by group
	with  [][]int
}

// forever is for what a story doesn't end.
const forever = time.Hour

// Parse reads the part of a story above its line of dashes.
func Parse(text string) (*Story, error) {
	s := &Story{Until: 3 * time.Second, Plan: sim.Plan{
		Seed: 1, Paths: 1, Interval: 50 * time.Millisecond, Tolerance: 3, FailbackCap: 10, Foreign: true,
		StartWait: 500 * time.Millisecond, Delay: 100 * time.Microsecond,
	}}
	for n, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if err := s.line(strings.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	if err := s.link(); err != nil {
		return nil, err
	}
	if s.Plan.Nodes == 0 || s.Plan.Tokens == 0 || len(s.Comment) == 0 {
		return nil, fmt.Errorf("a story needs a comment, nodes and a vip")
	}
	return s, nil
}

func (s *Story) line(line string) (err error) {
	words := strings.Fields(line)
	switch {
	case len(words) == 0:
	case strings.HasPrefix(line, "#"):
		s.Comment = append(s.Comment, line)
	case words[0] == "nodes":
		return s.nodes(words[1:])
	case words[0] == "vip" && len(words) > 1:
		return s.vip(words[1], words[2:])
	case words[0] == "group" && len(words) > 1:
		return s.group(words[1], words[2:])
	case words[0] == "set":
		return s.set(words[1:])
	case words[0] == "until" && len(words) == 2:
		s.Until, err = time.ParseDuration(words[1])
	case words[0] == "at" && len(words) > 2:
		return s.at(words[1], words[2:])
	default:
		return fmt.Errorf("%q is not understood", line)
	}
	return err
}

// nodes takes "a=200 b=150": names are letters in order, with priorities.
func (s *Story) nodes(list []string) error {
	for i, item := range list {
		name, value, _ := strings.Cut(item, "=")
		priority, err := strconv.Atoi(value)
		if err != nil || name != string(rune('a'+i)) {
			return fmt.Errorf("%q: want %c=PRIORITY", item, 'a'+i)
		}
		s.Plan.Priority, s.Plan.Drift = append(s.Plan.Priority, priority), append(s.Plan.Drift, 0)
	}
	s.Plan.Nodes = len(list)
	return nil
}

// vip takes a name and failback=no, inherit=no, multiple=yes, requires=GROUP,…
func (s *Story) vip(name string, options []string) error {
	bits := token.AutoFailback
	for _, o := range options {
		if groups, is := strings.CutPrefix(o, "requires="); is {
			s.need(&s.Plan.Requires, len(s.vips), groups)
			continue
		}
		switch o {
		case "failback=no":
			bits &^= token.AutoFailback
		case "inherit=no":
			bits |= token.DisableInheritance
		case "multiple=yes":
			bits |= token.AllowMultiple
		default:
			return fmt.Errorf("vip %s: %q is not an option", name, o)
		}
	}
	s.vips = append(s.vips, name)
	s.Plan.Bits = append(s.Plan.Bits, bits)
	s.Plan.Tokens++
	return nil
}

// set takes KEY=VALUE of the cluster or of the world.
func (s *Story) set(list []string) error {
	p := &s.Plan
	for _, item := range list {
		key, value, _ := strings.Cut(item, "=")
		d, notTime := time.ParseDuration(value)
		n, notNumber := strconv.Atoi(value)
		times := map[string]*time.Duration{"interval": &p.Interval, "failback-delay": &p.FailbackDelay, "start-wait": &p.StartWait,
			"start-spread": &p.StartSpread, "delay": &p.Delay, "hands": &p.HandsTime, "disk": &p.DiskTime}
		numbers := map[string]*int{"tolerance": &p.Tolerance, "paths": &p.Paths, "failback-cap": &p.FailbackCap, "copies": &p.Duplicate}
		switch {
		case times[key] != nil && notTime == nil:
			*times[key] = d
		case numbers[key] != nil && notNumber == nil:
			*numbers[key] = n
		case item == "foreign=no":
			p.Foreign = false
		case item == "askable=yes":
			p.Askable = true
		case item == "frames=no":
			p.Frameless = true
		default:
			return fmt.Errorf("set: %q is not understood", item)
		}
	}
	return nil
}
