package stories

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vipd/testlab/sim"
	"vipd/token"
)

// need is a list of groups by name, to be looked up when all are known.
type need struct {
	in    *[][]int
	at    int
	names string
}

// need notes that what has the place in the list names groups.
func (s *Story) need(in *[][]int, at int, names string) {
	s.needs = append(s.needs, need{in, at, names})
}

func (s *Story) groups() (names []string) {
	for _, g := range s.Plan.Groups {
		names = append(names, g.Name)
	}
	return names
}

// link looks up the groups that vips and groups name.
func (s *Story) link() error {
	names := s.groups()
	for _, n := range s.needs {
		for len(*n.in) <= n.at {
			*n.in = append(*n.in, nil)
		}
		for _, name := range strings.Split(n.names, ",") {
			g := slices.Index(names, name)
			if g < 0 {
				return fmt.Errorf("%q is not a group", name)
			}
			(*n.in)[n.at] = append((*n.in)[n.at], g)
		}
	}
	for g := range s.Plan.Groups {
		s.Plan.Groups[g].After, s.Plan.Groups[g].With = placed(s.after, g), placed(s.with, g)
	}
	return nil
}

func placed(list [][]int, i int) []int {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// group takes a name and units=2, run=both, failback=no, inherit=no, check=RISE/FALL,
// restart=1, time=5ms for a unit's start or stop, after=GROUP,… and with=GROUP,….
// What no keeper kills is kept=no.
func (s *Story) group(name string, options []string) error {
	g := sim.Group{Name: name, Units: 1, Bits: token.AutoFailback, Guarded: true}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		n, notNumber := strconv.Atoi(value)
		switch {
		case o == "run=both":
			g.Bits = token.AllowMultiple
		case o == "failback=no":
			g.Bits &^= token.AutoFailback
		case o == "inherit=no":
			g.Bits |= token.DisableInheritance
		case o == "kept=no":
			g.Guarded = false
		case key == "units" && notNumber == nil:
			g.Units = n
		case key == "restart" && notNumber == nil:
			g.Attempts = n
		case key == "after":
			s.need(&s.after, len(s.Plan.Groups), value)
		case key == "with":
			s.need(&s.with, len(s.Plan.Groups), value)
		default:
			if err := tune(&g, key, value); err != nil {
				return fmt.Errorf("group %s: %w", name, err)
			}
		}
	}
	s.Plan.Groups = append(s.Plan.Groups, g)
	return nil
}

// tune takes the options whose value has a form of its own.
func tune(g *sim.Group, key, value string) (err error) {
	switch key {
	case "time":
		g.UnitTime, err = time.ParseDuration(value)
	case "check":
		g.Checked = true
		_, err = fmt.Sscanf(value, "%d/%d", &g.Rise, &g.Fall)
	default:
		err = fmt.Errorf("%q is not an option", key)
	}
	return err
}
