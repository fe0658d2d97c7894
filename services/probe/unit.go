package probe

import (
	"context"
	"errors"
	"regexp"
)

// unit is a service of systemd that must be active.
type unit struct{ name string }

// unitName is what systemd allows, at most 255 octets (systemd.unit(5)).
var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\@-]{1,247}\.service$`)

func parseUnit(name string) (kind, error) {
	if !unitName.MatchString(name) {
		return nil, errors.New("want unit:name.service")
	}
	return unit{name}, nil
}

func (unit) validate() error { return nil }

func (u unit) open(o Options) checker { return asker{u.name, o.UnitState} }

// asker asks for the state of a unit.
type asker struct {
	name  string
	state func(ctx context.Context, name string) (string, error)
}

func (a asker) check(ctx context.Context) (string, error) {
	if a.state == nil {
		return "", errors.New("no systemd to ask")
	}
	state, err := a.state(ctx, a.name)
	if err != nil {
		return "", err
	}
	if state != "active" && state != "reloading" {
		return "", errors.New(state)
	}
	return state, nil
}
