package stories

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vipd/testlab/sim"
)

// kinds are the commands that befall one node.
var kinds = map[string]sim.FaultKind{
	"crash": sim.Crash, "reboot": sim.Reboot, "freeze": sim.Freeze, "stop": sim.Terminate, "restart": sim.Restart,
	"isolate": sim.Isolate, "link-down": sim.LinkLoss, "sick": sim.SickCheck, "suspend": sim.Suspension, "disk-full": sim.DiskFull,
	"clumsy": sim.Clumsy, "reload-without": sim.Reload, "clock": sim.ClockStep, "release": sim.Unwanted, "move": sim.MoveTo,
	"check-fails": sim.GroupSick, "check-hangs": sim.GroupHung, "dies": sim.UnitDeath, "crash-loop": sim.CrashLoop, "crash-loops": sim.CrashLoops,
	"start-fails": sim.StartFails, "start-slow": sim.SlowStart, "unstoppable": sim.Unstoppable, "halt": sim.HaltOrder, "renew": sim.RenewOrder,
	"reshape": sim.Reshape,
	"cut":     sim.CutBoth, "cut-all": sim.CutAll, "lossy": sim.Lossy, "slow": sim.Slow,
}

// at takes "TIME COMMAND … [for DURATION]". Without a duration it never ends;
// what ends starts again, heals, is resumed or given back to policy.
func (s *Story) at(at string, words []string) (err error) {
	f := sim.Fault{For: forever, Paths: 1<<s.Plan.Paths - 1}
	if f.At, err = time.ParseDuration(at); err != nil {
		return err
	}
	if n := len(words); n > 2 && words[n-2] == "for" {
		if f.For, err = time.ParseDuration(words[n-1]); err != nil {
			return err
		}
		words = words[:n-2]
	}
	kind, known := kinds[words[0]]
	if !known {
		return fmt.Errorf("%q is not a command", words[0])
	}
	f.Kind = kind
	if err := s.arguments(&f, words[1:]); err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	s.Plan.Faults = append(s.Plan.Faults, f)
	return nil
}

// arguments reads what the commands are about: nodes as letters, vips and groups by name,
// a>b and a-b for links, path=N, lan for the clients' network too, and amounts.
func (s *Story) arguments(f *sim.Fault, words []string) error {
	nodes := 0
	for _, w := range words {
		n, notNumber := strconv.Atoi(strings.TrimSuffix(w, "ms"))
		lag, notTime := time.ParseDuration(w)
		vip, group := slices.Index(s.vips, w), slices.Index(s.groups(), w)
		switch {
		case vip >= 0:
			f.Amount = vip
		case group >= 0 && f.Kind >= sim.GroupSick:
			f.Amount = group
		case group >= 0:
			f.Amount = s.Plan.Tokens + group
		case notTime == nil && f.Kind >= sim.GroupSick:
			f.Lag = lag
		case len(w) == 1 && nodes == 0:
			f.A, nodes = int(w[0]-'a'), 1
			f.B = f.A
		case len(w) == 1:
			f.B = int(w[0] - 'a')
		case len(w) == 3 && strings.ContainsAny(w[1:2], ">-"):
			f.A, f.B = int(w[0]-'a'), int(w[2]-'a')
			if w[1] == '>' {
				f.Kind = sim.CutOne
			}
		case w == "lan":
			f.Paths |= 1 << s.Plan.Paths // the clients' network too
		case strings.HasPrefix(w, "path="):
			f.Paths = 1 << (w[len(w)-1] - '0')
		case notNumber == nil:
			f.Amount = n
		default:
			return fmt.Errorf("%q is not understood", w)
		}
	}
	if f.A < 0 || f.A >= s.Plan.Nodes || f.B < 0 || f.B >= s.Plan.Nodes {
		return fmt.Errorf("no such node")
	}
	return nil
}
