package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// session is a connection to PostgreSQL: version 3.0 of its protocol, simple queries,
// and a server that trusts its clients. See "Frontend/Backend Protocol" in its manual.
//
//	start-up ──► R (authentication is ok) … S, K … Z (ready)
//	Q (query) ──► C (done: "INSERT 0 1") or E (error) … Z (ready)
type session struct {
	conn net.Conn
	in   *bufio.Reader
}

const (
	protocol = 3 << 16 // 3.0

	// patience is how long the server may take for an answer: a silent one is gone.
	patience = 3 * time.Second
	// maxAnswer is the longest message taken from the server, in bytes.
	maxAnswer = 1 << 20
)

// connect opens a session.
func connect(address, user, database string) (*session, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	s := &session{conn: conn, in: bufio.NewReader(conn)}
	hello := binary.BigEndian.AppendUint32(nil, protocol)
	for _, word := range []string{"user", user, "database", database, ""} {
		hello = append(append(hello, word...), 0)
	}
	if _, err := s.ask(hello); err != nil {
		s.close()
		return nil, fmt.Errorf("open database %s at %s: %w", database, address, err)
	}
	return s, nil
}

// run runs one statement and returns what the server says it did.
func (s *session) run(statement string) (done string, err error) {
	done, err = s.ask(append([]byte(statement), 0), 'Q')
	if err != nil {
		return "", fmt.Errorf("write to the database: %w", err)
	}
	return done, nil
}

func (s *session) close() { s.conn.Close() }

// ask sends a message, of a kind if it has one, and reads until the server is ready for
// the next.
func (s *session) ask(body []byte, kind ...byte) (done string, err error) {
	if err := s.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	message := binary.BigEndian.AppendUint32(kind, uint32(4+len(body)))
	if _, err := s.conn.Write(append(message, body...)); err != nil {
		return "", err
	}
	for {
		kind, body, err := s.read()
		if err != nil {
			return "", err
		}
		switch kind {
		case 'R':
			if len(body) != 4 || binary.BigEndian.Uint32(body) != 0 {
				return "", errors.New("the server wants a password")
			}
		case 'C':
			done = text(body)
		case 'E':
			return "", complaint(body)
		case 'Z':
			return done, nil
		}
	}
}

// read reads one message of the server.
func (s *session) read() (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[1:]) // its own four bytes are counted
	if length < 4 || length > maxAnswer {
		return 0, nil, fmt.Errorf("a message of %d bytes", length)
	}
	body = make([]byte, length-4)
	_, err = io.ReadFull(s.in, body)
	return head[0], body, err
}

// complaint is the error in a server's message: fields of a letter and a text, of which
// M is the one for people.
func complaint(body []byte) error {
	for len(body) > 1 {
		field := text(body[1:])
		if body[0] == 'M' {
			return errors.New(field)
		}
		body = body[min(len(body), 1+len(field)+1):]
	}
	return errors.New("the server refused and gave no reason")
}

// text is what stands before the first zero byte.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
