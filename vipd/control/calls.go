package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/move", change(s, s.move))
	mux.HandleFunc("POST /v1/release", change(s, s.release))
	mux.HandleFunc("POST /v1/suspend", change(s, s.suspend))
	mux.HandleFunc("POST /v1/resume", change(s, s.resume))
	mux.HandleFunc("POST /v1/restart", change(s, s.restart))
	mux.HandleFunc("POST /v1/reload", change(s, s.reload))
	mux.HandleFunc("POST /v1/group", change(s, s.group))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, Errorf(CodeUsage, "no such call: %s %.64q", r.Method, r.URL.Path))
	})
	return mux
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	if _, err := query(r); err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, s.daemon.Status().filled())
}

// change makes a handler of a call that changes something: the caller's
// rights, the request's form, the time limit, and one line in the log.
func change[Q, A any](s *Server, do func(context.Context, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := callerFrom(r)
		log := s.log.With("call", r.URL.Path, "uid", who.UID, "pid", who.PID)
		if !s.socket.rights.mayChange(who) {
			log.Warn("control: request refused: no permission")
			refuse(w, Errorf(CodePermission, "only root and members of the group %s may do this", Group))
			return
		}
		var q Q
		if err := decode(w, r, &q); err != nil {
			refuse(w, err)
			return
		}
		advance(r, phaseWorking)
		ctx, cancel := context.WithTimeout(r.Context(), ChangeLimit)
		defer cancel()
		a, err := do(ctx, q)
		if err != nil {
			log.Warn("control: request failed", "request", q, "err", err)
			refuse(w, err)
			return
		}
		log.Info("control: request done", "request", q)
		answer(w, http.StatusOK, a)
	}
}

func (s *Server) move(ctx context.Context, q MoveRequest) (MoveResult, error) {
	n := namesOf(s.daemon.Status())
	if err := n.checkToken(q.Token); err != nil {
		return MoveResult{}, err
	}
	if err := n.checkNode(q.To); err != nil {
		return MoveResult{}, err
	}
	return s.daemon.Move(ctx, q)
}

func (s *Server) release(ctx context.Context, q ReleaseRequest) (Change, error) {
	if err := namesOf(s.daemon.Status()).checkToken(q.Token); err != nil {
		return Change{}, err
	}
	return filled(s.daemon.Release(ctx, q))
}

func (s *Server) suspend(ctx context.Context, q SuspendRequest) (Change, error) {
	n := namesOf(s.daemon.Status())
	if q.Node == "" {
		q.Node = n.self
	}
	if err := n.checkNode(q.Node); err != nil {
		return Change{}, err
	}
	return filled(s.daemon.Suspend(ctx, q))
}

func (s *Server) resume(ctx context.Context, q ResumeRequest) (Change, error) {
	n := namesOf(s.daemon.Status())
	if q.Node == "" {
		q.Node = n.self
	}
	if err := n.checkNode(q.Node); err != nil {
		return Change{}, err
	}
	return filled(s.daemon.Resume(ctx, q))
}

func (s *Server) restart(ctx context.Context, q RestartRequest) (Change, error) {
	return filled(s.daemon.Restart(ctx, q))
}

func (s *Server) reload(ctx context.Context, q ReloadRequest) (Change, error) {
	return filled(s.daemon.Reload(ctx, q))
}

// filled replaces a nil list, so that a reader of the JSON never meets null.
func filled(c Change, err error) (Change, error) {
	if c.Moves == nil {
		c.Moves = []MoveResult{}
	}
	return c, err
}

// events answers with one page, or with page after page.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	q, err := query(r, "since", "limit", "follow")
	if err != nil {
		refuse(w, err)
		return
	}
	since, err1 := number(q, "since", 0)
	limit, err2 := number(q, "limit", PageLimit)
	follow, err3 := truth(q, "follow")
	switch err := errors.Join(err1, err2, err3); {
	case err != nil:
		refuse(w, err)
	case follow:
		s.stream(w, r, since)
	default:
		answer(w, http.StatusOK, s.journal.Since(since, int(min(limit, PageLimit))))
	}
}

// stream writes one page per line until the caller goes, the server stops, or
// the caller takes longer than patience to read one.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, since uint64) {
	leave, ok := s.enterStream(callerFrom(r))
	if !ok {
		refuse(w, Errorf(CodeHeld, "%d streams of events are open, the most at a time", len(s.follow)))
		return
	}
	defer leave()
	advance(r, phaseWorking)
	rc := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		return
	}
	for p := range s.journal.Follow(r.Context(), since) {
		_ = rc.SetWriteDeadline(time.Now().Add(patience))
		if json.NewEncoder(w).Encode(p) != nil || rc.Flush() != nil {
			return
		}
	}
}

// enterStream takes a place for one more stream; leave gives it back. The last places
// are root's.
func (s *Server) enterStream(who Caller) (leave func(), ok bool) {
	places := []chan struct{}{s.follow}
	if privileged := who.UID == 0 || s.admission != nil && s.admission.privileged(who); !privileged {
		places = []chan struct{}{s.followOthers, s.follow}
	}
	leave = func() {}
	for _, place := range places {
		select {
		case place <- struct{}{}:
			before := leave
			leave = func() { <-place; before() }
		default:
			leave()
			return nil, false
		}
	}
	return leave, true
}
