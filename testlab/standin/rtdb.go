package standin

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
)

// maxValues bounds what the database keeps.
const maxValues = 1 << 16

// rtdb keeps the current values in memory, for clients that say "set NAME VALUE" or
// "get NAME", a line each, and are answered by a line.
type rtdb struct {
	listener net.Listener

	mu     sync.Mutex
	values map[string]string
}

func (r *rtdb) open(l *life) (*os.File, error) {
	listener, err := net.Listen("tcp", wildcard(l.port))
	if err != nil {
		return nil, err
	}
	r.listener = listener
	return listener.(*net.TCPListener).File()
}

func (r *rtdb) serve(ctx context.Context, _ *life) error {
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := r.listener.Accept()
			if err != nil {
				ended <- err
				return
			}
			go r.talk(conn)
		}
	}()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

func (r *rtdb) talk(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if _, err := fmt.Fprintln(conn, r.answer(strings.Fields(lines.Text()))); err != nil {
			return
		}
	}
}

func (r *rtdb) answer(words []string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(words) == 3 && words[0] == "set":
		if _, known := r.values[words[1]]; !known && len(r.values) == maxValues {
			return "full"
		}
		r.values[words[1]] = words[2]
		return "ok"
	case len(words) == 2 && words[0] == "get":
		if value, known := r.values[words[1]]; known {
			return "value " + value
		}
		return "none"
	}
	return "what?"
}

func (r *rtdb) status() (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("values %d\n", len(r.values)), nil
}
