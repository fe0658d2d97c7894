package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"vipd/host/child"
)

// Limits of the options.
const (
	ShortestInterval = 10 * time.Millisecond
	LongestInterval  = time.Hour
	LongestTimeout   = 60 * time.Second
	TimeoutIntervals = 10 // the timeout is at most so many intervals
	ShortestTimeout  = time.Millisecond
)

// Options say how a target is checked.
type Options struct {
	// Interval is from the start of one check to that of the next; one that comes
	// late takes the next place in the row.
	Interval time.Duration
	// Since is an instant from which the intervals are counted, so that checks of many
	// probes fall together and the host wakes up once for all of them. The first check
	// is made at once all the same. Zero counts from that one.
	Since time.Time
	// Timeout ends a check that hangs; it may be longer than the interval.
	Timeout time.Duration
	// Result is called after each check, from Run: whether it succeeded and a few
	// words. It must not block for long: the next check waits for it.
	Result func(ok bool, text string)
	// UnitState tells the ActiveState of a unit of systemd. It must return when
	// the context ends. Only unit: targets need it.
	UnitState func(ctx context.Context, name string) (string, error)
	// Cgroup is the path of a control group for the commands of this check alone,
	// in a cgroup2 file system: it is made for a command and removed after it, and
	// what is found in it is killed. Empty, or where it can't be made: a command is
	// held together by its session and process group. Only exec: targets need it.
	Cgroup string
	// Rights are what a command runs with. Only exec: targets need them.
	Rights child.Rights
}

// check says what is wrong with the options.
func (o Options) check() error {
	switch {
	case o.Interval < ShortestInterval || o.Interval > LongestInterval:
		return fmt.Errorf("interval %v: want %v to %v", o.Interval, ShortestInterval, LongestInterval)
	case o.Timeout < ShortestTimeout || o.Timeout > LongestTimeout:
		return fmt.Errorf("timeout %v: want %v to %v", o.Timeout, ShortestTimeout, LongestTimeout)
	case o.Timeout > TimeoutIntervals*o.Interval:
		return fmt.Errorf("timeout %v: want at most %d intervals of %v", o.Timeout, TimeoutIntervals, o.Interval)
	}
	return nil
}

// Probe checks one target.
type Probe struct {
	options Options
	checker checker
	took    atomic.Int64 // ns
}

// New makes a probe of the target, or says what is wrong with the options.
func New(t Target, o Options) (*Probe, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("check %s: %w", t, err)
	}
	return &Probe{options: o, checker: t.kind.open(o)}, nil
}

// Latency is how long the last check took; 0 before the first. It may be read at
// any time.
func (p *Probe) Latency() time.Duration { return time.Duration(p.took.Load()) }

// Run checks at once and then at each interval until ctx ends. A check that is under
// way then is broken off and tells no result.
func (p *Probe) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	since := p.options.Since
	if since.IsZero() {
		since = time.Now()
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		ok, text := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		p.took.Store(int64(time.Since(began)))
		p.options.Result(ok, text)
		timer.Reset(p.options.Interval - time.Since(since)%p.options.Interval)
	}
}

// once is one check with its timeout.
func (p *Probe) once(ctx context.Context) (ok bool, text string) {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
	defer cancel()
	text, err := p.checker.check(ctx)
	if err == nil {
		return true, text
	}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return false, fmt.Sprintf("timed out after %v", p.options.Timeout)
	}
	return false, errorText(err)
}
