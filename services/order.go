package services

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Order reports why the groups can't be run together: too many of something,
// a name that is there twice or not at all, or groups that wait for each other.
// A cycle is named in full: "after: a -> b -> a".
func Order(specs []Spec) error {
	if len(specs) > MaxGroups {
		return fmt.Errorf("%d groups, the most is %d", len(specs), MaxGroups)
	}
	s := search{specs: specs, place: make(map[string]int, len(specs)), done: make([]bool, len(specs))}
	for i := range specs {
		if err := specs[i].fits(); err != nil {
			return fmt.Errorf("group %s: %w", specs[i].Name, err)
		}
		if _, twice := s.place[specs[i].Name]; twice {
			return fmt.Errorf("group %s is there twice", specs[i].Name)
		}
		s.place[specs[i].Name] = i
	}
	for i := range specs {
		if err := s.visit(i); err != nil {
			return fmt.Errorf("after: %w", err)
		}
	}
	return nil
}

// fits compares the group with the bounds.
func (s *Spec) fits() error {
	switch {
	case len(s.Units) == 0:
		return errors.New("no units")
	case len(s.Units) > MaxUnits:
		return fmt.Errorf("%d units, the most is %d", len(s.Units), MaxUnits)
	case len(s.Checks) > MaxChecks:
		return fmt.Errorf("%d checks, the most is %d", len(s.Checks), MaxChecks)
	case s.Restart.Attempts > MaxAttempts:
		return fmt.Errorf("%d restarts, the most is %d", s.Restart.Attempts, MaxAttempts)
	}
	return nil
}

// search follows After from group to group.
type search struct {
	specs []Spec
	place map[string]int
	done  []bool // no cycle is reached from here
	path  []string
}

func (s *search) visit(i int) error {
	name := s.specs[i].Name
	if at := slices.Index(s.path, name); at >= 0 {
		return errors.New(strings.Join(append(s.path[at:], name), " -> "))
	}
	if s.done[i] {
		return nil
	}
	s.path = append(s.path, name)
	for _, before := range s.specs[i].After {
		j, known := s.place[before]
		if !known {
			return fmt.Errorf("%s names %q, which is no group", name, before)
		}
		if err := s.visit(j); err != nil {
			return err
		}
	}
	s.path = s.path[:len(s.path)-1]
	s.done[i] = true
	return nil
}
