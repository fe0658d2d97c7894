package unit

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
)

// What is left of a service, and how nothing is.

// clear leaves nothing of the service.
func (s *service) clear(ctx context.Context, l *link) error {
	left, err := s.left(ctx, l)
	if err == nil && left != "" {
		err = s.halt(ctx, l)
	}
	if err == nil {
		err = s.dropIn.unset()
	}
	return err
}

// halt has systemd stop the unit, and kills what is left after the stop timeout.
// What the job says matters less than what is left.
func (s *service) halt(ctx context.Context, l *link) error {
	patience, cancel := context.WithTimeout(ctx, s.o.StopTimeout)
	defer cancel()
	failed := l.job(patience, l.StopUnitContext, s.name)
	if failed != nil && l.broken(failed) {
		return failed
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w; asked to end, systemd is at it", context.Cause(ctx))
	}
	left, err := s.left(ctx, l)
	if err != nil || left == "" {
		return err
	}
	s.o.Log.Warn("still there after systemd's stop, killed", "within", s.o.StopTimeout, "job", failed, "left", left)
	killed := l.KillUnitWithTarget(ctx, s.name, systemd.All, int32(syscall.SIGKILL))
	for end := time.Now().Add(killLimit); time.Now().Before(end); sleep(ctx, leftInterval) {
		if left, err = s.left(ctx, l); err != nil || left == "" {
			return err
		}
	}
	return errors.Join(fmt.Errorf("still there %v after SIGKILL: %s", killLimit, left), failed, killed)
}

// left names what is there of the service; empty: nothing.
func (s *service) left(ctx context.Context, l *link) (string, error) {
	c, err := l.condition(ctx, s.name)
	if err != nil {
		return "", err
	}
	names, err := l.processes(ctx, s.name)
	if err == nil && names == nil && !c.down() {
		return "systemd calls it " + c.active + ", " + c.sub, nil
	}
	return listed(names), err
}
