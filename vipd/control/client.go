package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

var (
	// ErrNotRunning: nothing listens in the run dir.
	ErrNotRunning = errors.New("vipd is not running")
	// ErrNoAnswer: something listens but doesn't answer in time; a process
	// that is stopped, or wedged.
	ErrNoAnswer = errors.New("vipd does not answer")
)

const (
	readLimit = 2 * time.Second // for Status and Events
	maxAnswer = 4 << 20         // bytes of one answer, or of one page of a stream
)

// Client talks to the daemon of one run dir. It may be used from many
// goroutines and keeps no connection that matters: a daemon that has been
// restarted in between is simply asked again.
//
// Every method returns ErrNotRunning or ErrNoAnswer (both wrapped) where they
// apply, and otherwise an *Error.
type Client struct {
	http http.Client
}

// Dial makes a client; it does not connect before the first call.
func Dial(runDir string) *Client {
	var d net.Dialer
	return &Client{http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", SocketPath(runDir))
		},
		DisableKeepAlives:     true, // a verb asks once
		ExpectContinueTimeout: ChangeLimit,
	}}}
}

// Status asks for the node's view, within readLimit.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	err = c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
	return s, err
}

// Events asks for the events after number since, within readLimit; Page.Next
// is the since of the next page, and a page without events is the end.
func (c *Client) Events(ctx context.Context, since uint64) (p Page, err error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	q := url.Values{"since": {strconv.FormatUint(since, 10)}}
	err = c.call(ctx, http.MethodGet, "/v1/events?"+q.Encode(), nil, &p)
	return p, err
}

// Move, and the calls below, wait for the daemon's answer: the daemon itself
// keeps to ChangeLimit, ctx may be shorter.
func (c *Client) Move(ctx context.Context, r MoveRequest) (a MoveResult, err error) {
	err = c.change(ctx, "/v1/move", r, &a)
	return a, err
}

// Release gives a token back to policy.
func (c *Client) Release(ctx context.Context, r ReleaseRequest) (a Change, err error) {
	err = c.change(ctx, "/v1/release", r, &a)
	return a, err
}

// Suspend takes a node out of service.
func (c *Client) Suspend(ctx context.Context, r SuspendRequest) (a Change, err error) {
	err = c.change(ctx, "/v1/suspend", r, &a)
	return a, err
}

// Resume brings a node back.
func (c *Client) Resume(ctx context.Context, r ResumeRequest) (a Change, err error) {
	err = c.change(ctx, "/v1/resume", r, &a)
	return a, err
}

// Restart returns when the daemon has agreed; Restarted waits for the end.
func (c *Client) Restart(ctx context.Context, r RestartRequest) (a Change, err error) {
	err = c.change(ctx, "/v1/restart", r, &a)
	return a, err
}

// Reload has the daemon take over what its files hold now.
func (c *Client) Reload(ctx context.Context, r ReloadRequest) (a Change, err error) {
	err = c.change(ctx, "/v1/reload", r, &a)
	return a, err
}

// Group starts, stops or restarts a service group.
func (c *Client) Group(ctx context.Context, o GroupOrder) (a Change, err error) {
	err = c.change(ctx, "/v1/group", o, &a)
	return a, err
}

// Restarted waits until a process that was not started at the given time
// answers, and returns its status.
func (c *Client) Restarted(ctx context.Context, old time.Time) (Status, error) {
	const pause = 5 * time.Millisecond
	for {
		s, err := c.Status(ctx)
		if err == nil && !s.Started.Equal(old) {
			return s, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Status{}, errors.Join(ErrNoAnswer, err)
		}
	}
}

// Follow yields pages of events after number since until ctx ends or the
// stream breaks; then the error is yielded last. The end of ctx is no error.
func (c *Client) Follow(ctx context.Context, since uint64) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		q := url.Values{"since": {strconv.FormatUint(since, 10)}, "follow": {"true"}}
		r, err := c.send(ctx, http.MethodGet, "/v1/events?"+q.Encode(), nil)
		if err != nil {
			yield(Page{}, err)
			return
		}
		defer r.Body.Close()
		body := &io.LimitedReader{R: r.Body}
		for d := json.NewDecoder(body); ; {
			var p Page
			body.N = maxAnswer
			if err := d.Decode(&p); err != nil {
				if ctx.Err() == nil {
					yield(Page{}, fmt.Errorf("%w: the stream of events ended: %w", ErrNotRunning, err))
				}
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// change asks for a change. The request itself is sent only when the daemon has said
// that it reads: of one that is stopped, nothing is left to be done when it goes on.
func (c *Client) change(ctx context.Context, path string, q, a any) error {
	ctx, cancel := context.WithTimeout(ctx, ChangeLimit+readLimit)
	defer cancel()
	ctx, deaf := context.WithCancelCause(ctx)
	patience := time.AfterFunc(readLimit, func() { deaf(ErrNoAnswer) })
	defer patience.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got100Continue:       func() { patience.Stop() },
		GotFirstResponseByte: func() { patience.Stop() },
	})
	err := c.call(ctx, http.MethodPost, path, q, a)
	if errors.Is(context.Cause(ctx), ErrNoAnswer) {
		return ErrNoAnswer
	}
	return err
}

func (c *Client) call(ctx context.Context, method, path string, q, a any) error {
	r, err := c.send(ctx, method, path, q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if err := json.NewDecoder(io.LimitReader(r.Body, maxAnswer)).Decode(a); err != nil {
		return reason(fmt.Errorf("read the answer: %w", err))
	}
	return nil
}

// send returns the response when it is a good one.
func (c *Client) send(ctx context.Context, method, path string, q any) (*http.Response, error) {
	var body io.Reader
	if q != nil {
		b, err := json.Marshal(q)
		if err != nil {
			return nil, fmt.Errorf("write the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://vipd"+path, body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		req.Header.Set("Expect", "100-continue")
	}
	r, err := c.http.Do(req)
	for tries := 1; err != nil && method == http.MethodGet && wasCut(err) && tries < cutTries; tries++ {
		r, err = c.http.Do(req)
	}
	if err != nil {
		return nil, reason(err)
	}
	if r.StatusCode == http.StatusOK {
		return r, nil
	}
	defer r.Body.Close()
	var e Error
	err = json.NewDecoder(io.LimitReader(r.Body, maxAnswer)).Decode(&e)
	if err != nil || e.Code == 0 || e.Message == "" { // not what a daemon of ours refuses with
		return nil, Errorf(CodeFailed, "vipd answered %s", r.Status)
	}
	return nil, &e
}

// cutTries is how often it is asked for what only reads, where the connection is cut before
// the answer: callers that connect again and again take each other's places.
const cutTries = 10

// wasCut reports whether the connection ended before the answer: not that there was none,
// nor that the caller waits no longer.
func wasCut(err error) bool {
	for _, other := range []error{fs.ErrNotExist, syscall.ECONNREFUSED, fs.ErrPermission, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, other) {
			return false
		}
	}
	return true
}

// reason turns an error of the connection into one a caller can branch on.
func reason(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	case errors.Is(err, fs.ErrPermission):
		return Errorf(CodePermission, "the socket is closed to you: only root and members of the group %s may use it", Group)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return Errorf(CodeFailed, "the connection to vipd broke: %v", err)
}
