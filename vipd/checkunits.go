package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vipd/services/unit"
	"vipd/vipd/config"
	"vipd/vipd/daemon/preflight"
)

// judge says why a service of systemd can't be vipd's to start on this host; unit.ErrNoSystemd
// when nobody can be asked.
type judge func(ctx context.Context, group, service string) error

// askSystemd is the judge that the daemon asks too, when it loads the file.
func askSystemd(ctx context.Context, group, service string) error {
	u, err := unit.New(service, unit.Options{Group: group})
	if err != nil {
		return err
	}
	defer u.Close()
	return u.(unit.Checker).Check(ctx)
}

// judgeLimit is how long systemd may take for all of them.
const judgeLimit = 10 * time.Second

// units has the services of every group judged, where this host is one of the nodes. A
// note says why they were not.
func (f *configFile) units(ctx context.Context, s config.Settings) (wrong config.Errors, note string) {
	if !usesSystemd(s) {
		return nil, ""
	}
	if _, err := f.self(s); err != nil {
		return nil, fmt.Sprintf("systemd is not asked about units: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, judgeLimit)
	defer cancel()
	for _, g := range s.Groups {
		for i, text := range g.Units {
			if !isService(text) {
				continue
			}
			err := f.judge(ctx, g.Name, text)
			switch {
			case err == nil:
			case errors.Is(err, unit.ErrNoSystemd) || ctx.Err() != nil:
				return wrong, fmt.Sprintf("systemd could not be asked about units: %v", err)
			default:
				wrong = append(wrong, config.At(f.path, err.Error(), i, "group", g.Name, "units"))
			}
		}
	}
	return wrong, ""
}

func isService(text string) bool {
	return strings.HasSuffix(text, ".service") && !strings.HasPrefix(text, "exec:")
}

func usesSystemd(s config.Settings) bool {
	for _, g := range s.Groups {
		for _, text := range g.Units {
			if isService(text) {
				return true
			}
		}
	}
	return false
}

// thisHost is which node this host is.
func thisHost(s config.Settings) (config.Node, error) { return preflight.FindSelf(s, "") }

// usesCommands reports whether the file names a program that vipd itself runs.
func usesCommands(s config.Settings) bool {
	for _, v := range s.VIPs {
		if len(v.OnActive)+len(v.OnStandby) > 0 {
			return true
		}
	}
	for _, g := range s.Groups {
		for _, text := range g.Units {
			if strings.HasPrefix(text, "exec:") {
				return true
			}
		}
		for _, c := range g.Checks {
			if strings.HasPrefix(c.Target, "exec:") {
				return true
			}
		}
	}
	return false
}
