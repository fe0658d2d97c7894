package standin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Times of a historian.
const (
	storeLimit = 200 * time.Millisecond // for the store to answer
	freshFor   = 500 * time.Millisecond // a historian whose newest row is older is not well
)

// historian appends a row to the store at an interval. One that the store refuses ends;
// one that doesn't reach the store tries on.
type historian struct {
	conn  net.Conn
	lines *bufio.Reader

	mu       sync.Mutex
	sequence uint64
	written  time.Time // of the newest row that was accepted, or the start
	trouble  error     // of the newest that was not
}

// refusal is the store's answer to who has an older epoch.
type refusal struct{ own, newest uint64 }

func (r refusal) Error() string {
	return fmt.Sprintf("refused by the store: epoch %d, and it has seen %d", r.own, r.newest)
}

func (h *historian) open(l *life) (*os.File, error) {
	h.written = l.began
	return os.Open(os.DevNull) // it has no port to hold
}

func (h *historian) serve(ctx context.Context, l *life) error {
	tick := time.NewTicker(l.every)
	defer tick.Stop()
	for {
		if err := h.write(l); errors.As(err, new(refusal)) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// write appends the next row and notes how it went.
func (h *historian) write(l *life) error {
	err := h.append(l)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.trouble = err; err == nil {
		h.sequence++
		h.written = time.Now()
	}
	return err
}

func (h *historian) append(l *life) error {
	if h.conn == nil {
		conn, err := net.DialTimeout("tcp", l.store, storeLimit)
		if err != nil {
			return err
		}
		h.conn, h.lines = conn, bufio.NewReader(conn)
	}
	err := h.ask(Row{Node: l.node, Epoch: l.epoch, Sequence: h.sequence + 1, At: bootTime()})
	if err != nil {
		h.conn.Close()
		h.conn = nil
	}
	return err
}

func (h *historian) ask(r Row) error {
	h.conn.SetDeadline(time.Now().Add(storeLimit))
	if _, err := fmt.Fprint(h.conn, r); err != nil {
		return err
	}
	answer, err := h.lines.ReadString('\n')
	if err != nil {
		return err
	}
	var newest uint64
	if _, err := fmt.Sscanf(answer, refusedForm, &newest); err == nil {
		return refusal{r.Epoch, newest}
	}
	if strings.TrimSpace(answer) != accepted {
		return fmt.Errorf("the store answers %q", answer)
	}
	return nil
}

func (h *historian) status() (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := fmt.Sprintf("rows %d\n", h.sequence)
	if time.Since(h.written) > freshFor {
		return text, fmt.Errorf("nothing written for more than %v: %w", freshFor, h.trouble)
	}
	return text, nil
}

// bootTime reads CLOCK_BOOTTIME, which all hosts of a laboratory share.
func bootTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("no boot-time clock: " + err.Error()) // every Linux since 2.6.39 has it
	}
	return time.Duration(t.Nano())
}
