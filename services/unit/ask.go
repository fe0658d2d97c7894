package unit

import "context"

// desk holds the one connection by which everybody asks for states: to make one costs a
// hundred times what a question does. It is nil before the first question, and after the
// bus has gone away. Who takes it gives it back before asking, so that a bus that
// answers nobody keeps each waiting for no longer than its own time.
var desk = func() chan *link {
	c := make(chan *link, 1)
	c <- nil
	return c
}()

// State asks systemd for the ActiveState of a unit, for who checks units that are
// not its own to start.
func State(ctx context.Context, name string) (string, error) {
	l, err := shared(ctx, name, nil)
	if err != nil {
		return "", err
	}
	c, err := l.condition(ctx, name)
	if err != nil && l.broken(err) {
		if l, err = shared(ctx, name, l); err == nil {
			c, err = l.condition(ctx, name)
		}
	}
	return c.active, err
}

// shared is the connection at the desk, made anew where it was lost, or is the broken one.
func shared(ctx context.Context, name string, broken *link) (*link, error) {
	var l *link
	select {
	case l = <-desk:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { desk <- l }()
	if l != nil && l != broken && l.alive() {
		return l, nil
	}
	if l != nil {
		l.Close()
	}
	made, err := dial(ctx, "", name)
	l = made
	return l, err
}
