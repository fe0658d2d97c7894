package watchdog

import (
	"context"
	"log/slog"
	"os/signal"
	"syscall"
)

// nonBlockingHandler hands records to a goroutine of its own: a reader of the log that stops
// reading, or is gone, must neither delay a kill nor end the watchdog.
type nonBlockingHandler struct {
	slog.Handler
	records chan slog.Record
}

// recordsWaiting is the most records that wait for the writer; more are dropped.
const recordsWaiting = 64

// nonBlocking makes a log that never delays its caller. From here on, writing to a pipe
// without a reader is an error and no signal, which would end the process.
func nonBlocking(log *slog.Logger) *slog.Logger {
	signal.Ignore(syscall.SIGPIPE)
	u := nonBlockingHandler{log.Handler(), make(chan slog.Record, recordsWaiting)}
	go func() {
		for r := range u.records {
			_ = u.Handler.Handle(context.Background(), r) // no other place takes the error
		}
	}()
	return slog.New(u)
}

func (u nonBlockingHandler) Handle(_ context.Context, r slog.Record) error {
	select {
	case u.records <- r.Clone():
	default:
	}
	return nil
}
