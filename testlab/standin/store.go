package standin

import (
	"bufio"
	"fmt"
	"net"
	"sync"
	"time"
)

// Row is one that a historian wrote, or tried to.
type Row struct {
	Node     string
	Epoch    uint64
	Sequence uint64
	At       time.Duration // by the writer's clock, before it was sent; see Now
}

// String is the row as it goes to the store, with its line end.
func (r Row) String() string {
	return fmt.Sprintf(appendForm, r.Node, r.Epoch, r.Sequence, int64(r.At))
}

// The words between historian and store.
const (
	appendForm  = "append %s %d %d %d\n"
	accepted    = "ok"
	refusedForm = "refused %d\n"
)

// maxRows bounds what a store keeps of the rows, accepted or refused.
const maxRows = 1 << 20

// Store is what historians write to, and the arbiter between them: it accepts rows of
// the newest epoch it has seen, from the one node that came with it first, and refuses
// all others. It lives in this process.
type Store struct {
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool // nil while it is shut
	epoch    uint64
	node     string
	history  History
}

// Serve answers on the listener until Shut. What was accepted before stays.
func (s *Store) Serve(listener net.Listener) {
	s.mu.Lock()
	s.listener, s.conns = listener, map[net.Conn]bool{}
	s.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if s.enter(conn, listener) {
				go s.talk(conn)
			}
		}
	}()
}

// Shut ends the answering: nobody reaches the store any more.
func (s *Store) Shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		return
	}
	s.listener.Close()
	for conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
}

// enter notes a connection, or refuses it when the store was shut meanwhile.
func (s *Store) enter(conn net.Conn, by net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil || s.listener != by {
		conn.Close()
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *Store) talk(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		var r Row
		var at int64
		if _, err := fmt.Sscanf(lines.Text()+"\n", appendForm, &r.Node, &r.Epoch, &r.Sequence, &at); err != nil {
			return
		}
		r.At = time.Duration(at)
		if _, err := fmt.Fprint(conn, s.judge(r)); err != nil {
			return
		}
	}
}

// judge accepts or refuses a row, and returns what its writer is told.
func (s *Store) judge(r Row) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Epoch < s.epoch || r.Epoch == s.epoch && s.node != "" && r.Node != s.node {
		s.history.Refused = keep(s.history.Refused, r)
		return fmt.Sprintf(refusedForm, s.epoch)
	}
	s.epoch, s.node = r.Epoch, r.Node
	s.history.Accepted = keep(s.history.Accepted, r)
	return accepted + "\n"
}

func keep(list []Row, r Row) []Row {
	if len(list) == maxRows {
		return list
	}
	return append(list, r)
}

// Newest is the row that was accepted last; the zero Row if none was.
func (s *Store) Newest() (r Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.history.Accepted); n > 0 {
		r = s.history.Accepted[n-1]
	}
	return r
}

// History is what was written since that time of Now.
func (s *Store) History(since time.Duration) History {
	s.mu.Lock()
	defer s.mu.Unlock()
	return History{after(s.history.Accepted, since), after(s.history.Refused, since)}
}

// Now is the time by the writers' clock.
func Now() time.Duration { return bootTime() }
