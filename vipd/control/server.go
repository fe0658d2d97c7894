package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxRequest  = 64 << 10               // bytes of a request's body
	maxHeader   = 8 << 10                // bytes of its header
	maxFollow   = 8                      // streams of events at a time
	rootFollow  = 2                      // of them for root and the daemon's own user alone
	patience    = time.Second            // for a caller to send its request or take its answer
	linger      = 500 * time.Millisecond // for answers under way when the server stops
	lookEvery   = time.Second            // between looks whether the socket is still in place
	ChangeLimit = 30 * time.Second       // the longest a request that changes something may take
)

// Server answers on the unix socket of one run dir.
type Server struct {
	daemon    Daemon
	journal   *Journal
	log       *slog.Logger
	socket    *socket
	http      *http.Server
	admission *admission
	follow    chan struct{} // one for each stream of events

	followOthers chan struct{} // one for each of them that is not root's
}

// Listen takes the run dir, making it when it is missing, and replaces the
// socket of a daemon that has died. When one lives it returns an *Error with
// CodeHeld that names its pid. Nothing is answered before Run.
func Listen(runDir string, d Daemon, j *Journal, log *slog.Logger) (*Server, error) {
	r, err := hostRights()
	if err != nil {
		return nil, err
	}
	sock, err := openSocket(runDir, r)
	if err != nil {
		return nil, err
	}
	s := &Server{
		daemon: d, journal: j, log: log, socket: sock,
		admission: newAdmission(r.daemon, log),
		follow:    make(chan struct{}, maxFollow), followOthers: make(chan struct{}, maxFollow-rootFollow),
	}
	s.http = &http.Server{
		Handler:        received(s.routes()),
		ReadTimeout:    patience,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnContext:    withCaller,
	}
	s.http.SetKeepAlivesEnabled(false) // a verb asks once, and a place is for one request
	return s, nil
}

// Run answers until ctx ends, lets the answers under way leave, for at most
// linger, and removes the socket. When someone deletes the socket file Run
// makes a new one within lookEvery.
func (s *Server) Run(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	ended := make(chan error, 1)
	var serving sync.WaitGroup
	serve := func() {
		ln := &listener{UnixListener: s.socket.ln, admission: s.admission, log: s.log}
		serving.Go(func() { s.serve(ln, ended) })
	}
	serve()
	err := s.look(ctx, ended, serve)
	left, cancel := context.WithTimeout(context.WithoutCancel(ctx), linger)
	defer cancel()
	if s.http.Shutdown(left) != nil {
		s.http.Close()
	}
	s.socket.close()
	serving.Wait()
	return err
}

// serve reports how one listener ended, unless it was closed on purpose: at
// the end, or to be replaced.
func (s *Server) serve(ln net.Listener, ended chan<- error) {
	err := s.http.Serve(ln)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return
	}
	select {
	case ended <- fmt.Errorf("serve %s: %w", s.socket.path, err):
	default: // one reason is enough
	}
}

// look returns when ctx ends or serving fails; until then it puts back a
// socket that went missing.
func (s *Server) look(ctx context.Context, ended <-chan error, serve func()) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			return err
		case <-tick.C:
		}
		if s.socket.inPlace() {
			continue
		}
		if err := s.socket.restore(); err != nil {
			s.log.Error("control: the socket is gone and can't be made anew", "path", s.socket.path, "err", err)
			continue
		}
		s.log.Warn("control: the socket was gone; made anew", "path", s.socket.path)
		serve()
	}
}
