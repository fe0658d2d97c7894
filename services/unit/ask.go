package unit

import "context"

// State asks systemd for the ActiveState of a unit, for who checks units that are
// not its own to start.
func State(ctx context.Context, name string) (string, error) {
	l, err := dial(ctx, "", name)
	if err != nil {
		return "", err
	}
	defer l.Close()
	c, err := l.condition(ctx, name)
	return c.active, err
}
