package control

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// maxConnections is how many connections are open at a time; further callers
// wait in the kernel's queue. Idle ones end after patience, so a full house
// empties by itself.
const maxConnections = 16

// listener hands out connections whose caller is known, a bounded number at
// a time.
type listener struct {
	*net.UnixListener
	slots chan struct{} // shared by the listeners of one server
	log   *slog.Logger
}

// conn is a connection that knows its caller and gives its slot back.
type conn struct {
	*net.UnixConn
	caller Caller
	once   sync.Once
	slots  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		l.slots <- struct{}{}
		c, err := l.AcceptUnix()
		if err != nil {
			<-l.slots
			return nil, err
		}
		who, err := callerOf(c)
		if err == nil {
			return &conn{UnixConn: c, caller: who, slots: l.slots}, nil
		}
		l.log.Warn("control: connection refused", "err", err)
		c.Close()
		<-l.slots
	}
}

func (c *conn) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.UnixConn.Close()
}

type callerKey struct{}

// withCaller puts the connection's caller where the handlers find it.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, callerKey{}, c.(*conn).caller)
}

func callerFrom(r *http.Request) Caller {
	return r.Context().Value(callerKey{}).(Caller)
}
