package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vipd/host/child"
	"vipd/services/probe"
	"vipd/services/unit"
	"vipd/vipd/config"
	"vipd/vipd/daemon/cluster"
)

// vetLimit is how long systemd may take to answer.
const vetLimit = 10 * time.Second

// Vet refuses, as config.Errors, what can't be run here: commands that this host has not
// or that others could change, users that it has not, and services that can't be ours to
// start: one that systemd starts by itself at boot would run on every node. unitsDir is
// where units keep their files.
func Vet(ctx context.Context, path string, s config.Settings, unitsDir string) error {
	ctx, cancel := context.WithTimeout(ctx, vetLimit)
	defer cancel()
	wrong := vetCommands(path, s, child.Rights.Check)
	for _, g := range s.Groups {
		for i, text := range g.Units {
			if strings.HasPrefix(text, cluster.ExecUnit) && len(wrong) > 0 {
				continue // its own mistake may be among those
			}
			if err := vetUnit(ctx, g, text, unitsDir); err != nil {
				wrong = append(wrong, config.At(path, err.Error(), i, "group", g.Name, "units"))
			}
		}
	}
	if wrong == nil {
		return nil
	}
	return wrong
}

func vetUnit(ctx context.Context, g config.Group, text, unitsDir string) error {
	u, err := unit.New(text, unit.Options{Group: g.Name, Dir: unitsDir, Rights: g.Rights})
	if err != nil {
		return err
	}
	defer u.Close()
	if c, ok := u.(unit.Checker); ok {
		return c.Check(ctx)
	}
	return nil
}

// VetCommands lists what of the commands in the file at path can't be run on this host:
// users that it has not, programs that are not there, that their user may not run, or
// that others could change. It starts nothing and asks no daemon. In a process that is
// root it is what a daemon of root would refuse.
func VetCommands(path string, s config.Settings) config.Errors {
	if child.CanChangeUser() {
		return vetCommands(path, s, child.Rights.Check)
	}
	return vetCommands(path, s, child.Rights.Lookup)
}

// vetCommands is VetCommands with what judges rights.
func vetCommands(path string, s config.Settings, judge func(child.Rights) error) (wrong config.Errors) {
	for _, v := range s.VIPs {
		if len(v.OnActive)+len(v.OnStandby) > 0 {
			wrong = append(wrong, vetRights(path, judge(v.Rights), "vip", v.Name)...)
		}
	}
	for _, g := range s.Groups {
		if bad := vetGroupRights(path, g, judge); bad != nil {
			wrong = append(wrong, bad...)
			continue
		}
		for i, text := range g.Units {
			if err := unit.CheckProcess(text, g.Rights); err != nil {
				wrong = append(wrong, config.At(path, fmt.Sprintf("unit %q: %v", text, err), i, "group", g.Name, "units"))
			}
		}
		for i, c := range g.Checks {
			if err := vetCheck(c, g.Rights); err != nil {
				wrong = append(wrong, config.At(path, fmt.Sprintf("check %q: %v", c.Target, err), i, "group", g.Name, "check"))
			}
		}
	}
	return wrong
}

// vetCheck says why a check would fail each time, whatever it asks.
func vetCheck(c config.Check, rights child.Rights) error {
	target, err := probe.Parse(c.Target)
	if err != nil {
		return errors.Unwrap(err)
	}
	return target.VetFor(rights)
}

// vetGroupRights looks at the rights of a group that has commands.
func vetGroupRights(path string, g config.Group, judge func(child.Rights) error) config.Errors {
	commands := false
	for _, text := range g.Units {
		commands = commands || strings.HasPrefix(text, cluster.ExecUnit)
	}
	for _, c := range g.Checks {
		commands = commands || strings.HasPrefix(c.Target, cluster.ExecUnit)
	}
	if !commands {
		return nil
	}
	return vetRights(path, judge(g.Rights), "group", g.Name)
}

// vetRights puts a judgement of rights where they stand in the file.
func vetRights(path string, err error, table, name string) config.Errors {
	if err == nil {
		return nil
	}
	var wrong *child.Error
	if !errors.As(err, &wrong) {
		return config.Errors{config.At(path, err.Error(), 0, table, name)}
	}
	return config.Errors{config.At(path, wrong.Reason, wrong.Item, table, name, wrong.Key)}
}

// VetHooks lists the commands of on_active and on_standby that this host can't run. They
// keep no address from moving: each failure is reported when it is run.
func VetHooks(path string, s config.Settings) (doubtful []config.Problem) {
	for _, v := range s.VIPs {
		if v.Rights.Lookup() != nil {
			continue // refused already
		}
		for key, hooks := range map[string][]config.Hook{"on_active": v.OnActive, "on_standby": v.OnStandby} {
			for i, h := range hooks {
				if err := h.Rights.CheckProgram(h.Argv[0]); err != nil {
					doubtful = append(doubtful, config.At(path, err.Error(), i, "vip", v.Name, key))
				}
			}
		}
	}
	return doubtful
}
