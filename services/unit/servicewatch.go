package unit

import (
	"context"
	"sync/atomic"
	"time"
)

// serviceWatch watches one life of a systemd service.
type serviceWatch struct {
	cancel context.CancelFunc
	over   atomic.Bool   // the life has ended
	ended  chan struct{} // closed when no death will be reported any more
}

// active says whether the service was up when last heard of.
func (v *serviceWatch) active() bool { return v != nil && !v.over.Load() }

// watch begins to wait for the end of the life with that invocation.
func (s *service) watch(invocation string) {
	s.unwatch()
	ctx, cancel := context.WithCancel(context.Background())
	v := &serviceWatch{cancel: cancel, ended: make(chan struct{})}
	s.current = v
	go func() {
		defer close(v.ended)
		defer cancel()
		if text := s.await(ctx, invocation); text != "" {
			v.over.Store(true)
			s.o.Died(text)
		}
	}()
}

// unwatch ends the watch; no death is reported after it returns.
func (s *service) unwatch() {
	if s.current != nil {
		s.current.cancel()
		<-s.current.ended
		s.current = nil
	}
}

// Times between attempts to reach systemd again.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)

// await waits until the life has ended and returns how; the text is empty when ctx ends
// first. While systemd does not answer, the service may be up, so it asks again.
func (s *service) await(ctx context.Context, invocation string) string {
	pause := retryFirst
	for ctx.Err() == nil {
		l, text, err := s.query(ctx, invocation)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if pause == retryFirst {
				s.o.Log.Warn("systemd can't be asked, a death would not be seen; trying on", "why", err)
			}
			sleep(ctx, pause)
			pause = min(2*pause, retryMost)
		case text != "":
			return text
		default:
			pause = retryFirst
			select {
			case <-l.changed:
			case <-l.lost:
			case <-ctx.Done():
			}
		}
	}
	return ""
}

// query asks systemd how the service is; a text says how it ended.
func (s *service) query(ctx context.Context, invocation string) (*link, string, error) {
	l, err := s.connect(ctx)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	c, err := l.condition(ctx, s.name)
	switch {
	case err != nil:
		return nil, "", err
	case !c.up():
		return l, l.endText(ctx, s.name, c), nil
	case c.invocation != invocation:
		return l, "it ended, and was started again by another hand or systemd's Restart=", nil
	}
	return l, "", nil
}

// sleep waits, for at most as long as ctx lasts.
func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
