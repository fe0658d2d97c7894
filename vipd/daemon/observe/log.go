package observe

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// AsyncHandler is a log handler that writes on a goroutine of its own: a journal that
// does not read, or a full pipe, must not stop the caller. Lines that find no
// room are counted and the count is logged.
type AsyncHandler struct {
	slog.Handler
	lines chan line
	lost  *atomic.Uint64
}

// line is a record for its handler, or, without one, the last line.
type line struct {
	to      slog.Handler
	record  slog.Record
	written chan struct{}
}

// linesWaiting bounds the log that waits to be written; endLimit how long the
// end of the daemon waits for it.
const (
	linesWaiting = 1024
	endLimit     = 500 * time.Millisecond
)

// NewAsyncHandler returns a handler before another one.
func NewAsyncHandler(h slog.Handler) *AsyncHandler {
	a := &AsyncHandler{Handler: h, lines: make(chan line, linesWaiting), lost: &atomic.Uint64{}}
	go a.write()
	return a
}

func (a *AsyncHandler) write() {
	for l := range a.lines {
		if l.to == nil {
			close(l.written)
			return
		}
		if n := a.lost.Swap(0); n > 0 && a.Handler.Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelWarn, fmt.Sprintf("%d lines of the log were left out: nobody read it", n), 0)) != nil {
			a.lost.Add(n)
		}
		if l.to.Handle(context.Background(), l.record) != nil { // the reader is gone, or the disk full
			a.lost.Add(1)
		}
	}
}

// Handle never waits.
func (a *AsyncHandler) Handle(_ context.Context, r slog.Record) error {
	select {
	case a.lines <- line{to: a.Handler, record: r.Clone()}:
	default:
		a.lost.Add(1)
	}
	return nil
}

// WithAttrs and WithGroup return handlers that share the queue.
func (a *AsyncHandler) WithAttrs(list []slog.Attr) slog.Handler {
	return &AsyncHandler{Handler: a.Handler.WithAttrs(list), lines: a.lines, lost: a.lost}
}

// WithGroup is as WithAttrs.
func (a *AsyncHandler) WithGroup(name string) slog.Handler {
	return &AsyncHandler{Handler: a.Handler.WithGroup(name), lines: a.lines, lost: a.lost}
}

// End waits until every line so far is written, or for endLimit. Later lines are lost.
func (a *AsyncHandler) End() {
	limit := time.After(endLimit)
	written := make(chan struct{})
	select {
	case a.lines <- line{written: written}:
	case <-limit:
		return
	}
	select {
	case <-written:
	case <-limit:
	}
}

// Missed is how many lines could not be written and have not been reported in the log.
func (a *AsyncHandler) Missed() uint64 { return a.lost.Load() }
