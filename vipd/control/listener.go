package control

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// listener hands out connections whose caller is known. It takes each one at once:
// which of them stay is for the admission to say, so that none waits in the
// kernel's queue behind callers that send nothing.
type listener struct {
	*net.UnixListener
	admission *admission // shared by the listeners of one server
	log       *slog.Logger
}

// conn is a connection that knows its caller and gives its place back.
type conn struct {
	*net.UnixConn
	caller    Caller
	phase     phase // guarded by the admission
	once      sync.Once
	admission *admission
}

// Accept returns the next connection that has a place.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		who, err := callerOf(c)
		if err != nil {
			l.log.Warn("control: connection refused", "err", err)
			c.Close()
			continue
		}
		fresh := &conn{UnixConn: c, caller: who, admission: l.admission}
		ok, pause := l.admission.admit(fresh)
		time.Sleep(pause)
		if ok {
			return fresh, nil
		}
		c.Close()
	}
}

// Close gives the place back, once.
func (c *conn) Close() error {
	c.once.Do(func() { c.admission.leave(c) })
	return c.UnixConn.Close()
}

type (
	callerKey struct{}
	connKey   struct{}
)

// withCaller puts the connection and its caller where the handlers find them.
func withCaller(ctx context.Context, c net.Conn) context.Context {
	own := c.(*conn)
	return context.WithValue(context.WithValue(ctx, callerKey{}, own.caller), connKey{}, own)
}

func callerFrom(r *http.Request) Caller {
	return r.Context().Value(callerKey{}).(Caller)
}

// advance notes how far the request's connection has come.
func advance(r *http.Request, p phase) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.admission.advance(c, p)
	}
}

// received marks connections whose request has come.
func received(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		advance(r, phaseAnswering)
		next.ServeHTTP(w, r)
	})
}
