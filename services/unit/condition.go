package unit

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// condition is what systemd says of a unit.
type condition struct {
	id         string   // its own name
	load, why  string   // LoadState, and what is wrong with the unit's file
	file       string   // UnitFileState
	active     string   // ActiveState
	sub        string   // SubState
	invocation string   // changes with each start
	dropIns    []string // paths of those in force
	parts      []string // units that are stopped and restarted with it
}

// condition asks for it, which makes systemd load the unit where it is not.
func (l *link) condition(ctx context.Context, unit string) (condition, error) {
	all, err := l.GetUnitPropertiesContext(ctx, unit)
	if err != nil {
		return condition{}, err
	}
	return conditionIn(unit, all)
}

// conditionIn reads it from systemd's properties of the unit.
func conditionIn(unit string, all map[string]any) (c condition, err error) {
	for name, to := range map[string]*string{
		"Id": &c.id, "LoadState": &c.load, "UnitFileState": &c.file, "ActiveState": &c.active, "SubState": &c.sub,
	} {
		*to, _ = all[name].(string)
	}
	for _, word := range []*string{&c.load, &c.file, &c.active, &c.sub} {
		*word = printable(*word, lineMax) // the words of systemd's are all plain
	}
	if c.id == "" || c.active == "" {
		return condition{}, fmt.Errorf("systemd doesn't say whether %s is active", unit)
	}
	if pair, _ := all["LoadError"].([]any); len(pair) == 2 {
		why, _ := pair[1].(string)
		c.why = printable(why, lineMax)
	}
	id, _ := all["InvocationID"].([]byte)
	c.invocation = string(id)
	c.dropIns, _ = all["DropInPaths"].([]string)
	c.parts, _ = all["ConsistsOf"].([]string)
	return c, nil
}

// up says whether the service runs.
func (c condition) up() bool {
	return slices.Contains([]string{"active", "reloading", "refreshing"}, c.active)
}

// down says whether systemd has nothing more to do for it.
func (c condition) down() bool { return c.active == "inactive" || c.active == "failed" }

// objection says why the unit can't be ours to start and stop.
func (c condition) objection(unit string) error {
	switch {
	case c.load == "not-found":
		return fmt.Errorf("systemd finds no %s: install it, or correct the name", unit)
	case c.load == "masked":
		return fmt.Errorf("it is masked, systemd won't start it: systemctl unmask %s", unit)
	case c.load != "loaded":
		return fmt.Errorf("systemd can't load it (%s): %s; see systemd-analyze verify %s", c.load, c.why, unit)
	case c.file == "enabled" || c.file == "enabled-runtime":
		return fmt.Errorf("it starts at boot by itself, on every node: systemctl disable %s", unit)
	}
	return nil
}

// refuseTarget refuses a unit that runs nothing itself but is there for others to be
// started with: it would be up whatever becomes of them.
func (l *link) refuseTarget(ctx context.Context, unit string, c condition) error {
	all, err := l.GetUnitTypePropertiesContext(ctx, unit, "Service")
	if err != nil {
		return err
	}
	return refuseTargetIn(unit, c, all)
}

// refuseTargetIn reads it from systemd's properties of the unit as a service.
func refuseTargetIn(unit string, c condition, all map[string]any) error {
	programs, _ := all["ExecStart"].([][]any)
	if all["Type"] != "oneshot" || len(programs) != 1 || len(programs[0]) == 0 {
		return nil
	}
	if path, _ := programs[0][0].(string); filepath.Base(path) != "true" {
		return nil
	}
	named := "see systemctl list-unit-files '" + strings.TrimSuffix(unit, ".service") + "*'"
	if len(c.parts) > 0 {
		named = printable(strings.Join(c.parts, ", "), lineMax)
	}
	return fmt.Errorf("it runs nothing itself, and is up whatever becomes of what it stands for; name that: %s", named)
}

// Values of ExecMainCode, see waitid(2).
const (
	codeExited = 1
	codeKilled = 2
	codeDumped = 3
)

// endText says how the service ended.
func (l *link) endText(ctx context.Context, unit string, c condition) string {
	all, err := l.GetUnitTypePropertiesContext(ctx, unit, "Service")
	if err != nil {
		all = nil // what is known already must do
	}
	return printable(endTextIn(c, all), lineMax)
}

// endTextIn reads it from systemd's properties of the unit as a service, if it gave any.
func endTextIn(c condition, all map[string]any) string {
	text := c.active
	if c.sub != c.active {
		text += ", " + c.sub
	}
	if all == nil {
		return text
	}
	if result, _ := all["Result"].(string); result != "" && result != "success" {
		text += " (" + result + ")"
	}
	code, _ := all["ExecMainCode"].(int32)
	status, _ := all["ExecMainStatus"].(int32)
	switch code {
	case 0:
		if c.active == "inactive" { // systemd forgets what it has no more use for
			text += ": it ended by itself, or another hand stopped it"
		}
	case codeExited:
		text += fmt.Sprintf(": exit status %d", status)
	case codeKilled, codeDumped:
		text += ": killed by " + unix.SignalName(syscall.Signal(status))
	}
	return text
}
