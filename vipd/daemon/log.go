package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// aside is a log handler that writes on a goroutine of its own: a journal that
// does not read, or a full pipe, must not stop whoever logs. Lines that find no
// room are counted and the count is logged.
type aside struct {
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

// newAside returns a handler before another one.
func newAside(h slog.Handler) *aside {
	a := &aside{Handler: h, lines: make(chan line, linesWaiting), lost: &atomic.Uint64{}}
	go a.write()
	return a
}

func (a *aside) write() {
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
func (a *aside) Handle(_ context.Context, r slog.Record) error {
	select {
	case a.lines <- line{to: a.Handler, record: r.Clone()}:
	default:
		a.lost.Add(1)
	}
	return nil
}

// WithAttrs and WithGroup return handlers that share the queue.
func (a *aside) WithAttrs(list []slog.Attr) slog.Handler {
	return &aside{Handler: a.Handler.WithAttrs(list), lines: a.lines, lost: a.lost}
}

// WithGroup is as WithAttrs.
func (a *aside) WithGroup(name string) slog.Handler {
	return &aside{Handler: a.Handler.WithGroup(name), lines: a.lines, lost: a.lost}
}

// end waits until what was logged is written, or for endLimit. What is logged
// after it is lost.
func (a *aside) end() {
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
