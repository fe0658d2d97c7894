package unit

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/dbus"
)

// service is a service that systemd runs.
type service struct {
	name   string
	o      Options
	dropIn dropIn

	turn    sync.Mutex    // one call at a time
	current *serviceWatch // while it should be up; nil: nobody watches

	mu   sync.Mutex
	link *link // the last connection; serviceWatch uses it too
}

// Bounds of talking to systemd.
const (
	serviceNameMax = 255
	dropInFolder   = "/run/systemd/system"
	askLimit       = 5 * time.Second // for one answer, where nobody else sets a limit
	asksMost       = 20              // of one thing, while the bus goes away
	askPause       = 100 * time.Millisecond
	leftInterval   = 10 * time.Millisecond
)

func newService(text string, o Options) (*service, error) {
	odd := func(r rune) bool { return unfit(r) && !strings.ContainsRune(`:@\`, r) }
	switch {
	case len(text) > serviceNameMax:
		return nil, fmt.Errorf("longer than %d characters", serviceNameMax)
	case strings.ContainsFunc(text, odd), text == ".service":
		return nil, errors.New("no name of a systemd unit")
	case strings.Contains(text, "@."):
		return nil, errors.New("a template; name an instance of it, NAME@INSTANCE.service")
	}
	if o.DropIns == "" {
		o.DropIns = dropInFolder
	}
	slice := ""
	if o.Exclusive {
		slice = sliceOf(o.Group)
	}
	return &service{name: text, o: o, dropIn: dropIn{
		path:        filepath.Join(o.DropIns, text+".d", "zz-vipd.conf"),
		environment: filepath.Join(o.Dir, o.Group, systemd.PathBusEscape(text)+environmentSuffix),
		slice:       slice,
	}}, nil
}

func (s *service) Name() string { return s.name }

// connect returns the connection, made anew where the last one was lost.
func (s *service) connect(ctx context.Context) (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil && s.link.alive() {
		return s.link, nil
	}
	s.disconnect()
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	l, err := dial(ctx, s.o.Bus, s.name)
	if err == nil {
		s.link = l
	}
	return l, err
}

// disconnect closes the connection.
func (s *service) disconnect() {
	if s.link != nil {
		s.link.Close()
		s.link = nil
	}
}

// ask does something with the connection. When the bus goes away meanwhile it
// is done again with a new one: a bus that is restarted is soon back.
func (s *service) ask(ctx context.Context, do func(context.Context, *link) error) (err error) {
	for try := range asksMost {
		l, lost := s.connect(ctx)
		if lost != nil && try == 0 {
			return lost
		}
		if lost == nil {
			if lost = do(ctx, l); lost == nil || !l.broken(lost) {
				return lost
			}
			s.mu.Lock()
			s.disconnect()
			s.mu.Unlock()
		}
		err = lost
		sleep(ctx, askPause)
	}
	return err
}

// Check says why the unit can't be started, or starts without being asked.
func (s *service) Check(ctx context.Context) error {
	return s.ask(ctx, func(ctx context.Context, l *link) error {
		c, err := l.condition(ctx, s.name)
		if err != nil {
			return err
		}
		if wrong := c.objection(s.name); wrong != nil {
			return wrong
		}
		return l.refuseTarget(ctx, s.name, c)
	})
}

func (s *service) Start(ctx context.Context, env Env) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.current.active() {
		return fmt.Errorf("start %s: it runs", s.name)
	}
	err := s.ask(ctx, func(ctx context.Context, l *link) error { return s.start(ctx, l, env) })
	if err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	return nil
}

func (s *service) start(ctx context.Context, l *link, env Env) error {
	err := s.clear(ctx, l)
	if err == nil {
		err = s.dropIn.set(env)
	}
	if err == nil {
		err = s.prepare(ctx, l)
	}
	if err != nil {
		return err
	}
	// Forgets how often it was started of late: how often it may be is not
	// systemd's to say here (StartLimitBurst=).
	if err := l.ResetFailedUnitContext(ctx, s.name); err != nil && !isNot(err, "NoSuchUnit") {
		return fmt.Errorf("reset failed state: %w", err)
	}
	failed := l.job(ctx, l.StartUnitContext, s.name)
	c, err := l.condition(ctx, s.name)
	switch {
	case failed != nil && err == nil && c.load != "loaded":
		return c.objection(s.name)
	case failed != nil && err == nil:
		return fmt.Errorf("%w; %s", failed, l.endText(ctx, s.name, c))
	case failed != nil:
		return failed
	case err != nil:
		return err
	case !c.up():
		return fmt.Errorf("it ended at once: %s (Type=oneshot needs RemainAfterExit=yes)", l.endText(ctx, s.name, c))
	}
	s.watch(c.invocation)
	return nil
}

// prepare puts the drop-in in place, and has systemd read it where it hasn't.
func (s *service) prepare(ctx context.Context, l *link) error {
	changed, err := s.dropIn.install()
	if err != nil {
		return fmt.Errorf("install drop-in: %w", err)
	}
	c, err := l.condition(ctx, s.name)
	if err != nil {
		return err
	}
	if changed || !slices.Contains(c.dropIns, s.dropIn.path) {
		if err := l.ReloadContext(ctx); err != nil {
			return fmt.Errorf("daemon-reload: %w", err)
		}
	}
	return nil
}

// Adopt also prepares the next start, so that none in a failover has to wait for
// systemd to read drop-ins.
func (s *service) Adopt(ctx context.Context) (bool, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.current.active() {
		return true, nil
	}
	s.unwatch()
	if err := s.ask(ctx, s.adopt); err != nil {
		return false, fmt.Errorf("adopt %s: %w", s.name, err)
	}
	return s.current != nil, nil
}

func (s *service) adopt(ctx context.Context, l *link) error {
	if err := s.prepare(ctx, l); err != nil {
		s.o.Log.Warn("its environment is not prepared; tried again at its start", "why", err)
	}
	c, err := l.condition(ctx, s.name)
	if err != nil {
		return err
	}
	if !c.up() {
		return s.clear(ctx, l)
	}
	s.watch(c.invocation)
	return s.warnOutsideSlice(ctx, l)
}

// warnOutsideSlice says so when what was found runs where no lease of the group reaches it.
func (s *service) warnOutsideSlice(ctx context.Context, l *link) error {
	if !s.o.Exclusive {
		return nil
	}
	folder, err := l.controlGroup(ctx, s.name, "Service")
	if err == nil && !strings.Contains(folder, "/"+s.dropIn.slice+"/") {
		s.o.Log.Warn("it runs outside of its group's slice, where nothing ends it with its lease until it is started anew", "in", folder, "slice", s.dropIn.slice)
	}
	return err
}

func (s *service) Stop(ctx context.Context) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.unwatch()
	err := s.ask(ctx, s.halt)
	if err == nil {
		err = s.dropIn.unset()
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	return nil
}

func (s *service) Close() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.unwatch()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disconnect()
	return nil
}
