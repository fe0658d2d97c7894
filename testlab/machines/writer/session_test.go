package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// message is one of the server's.
func message(kind byte, body string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))) + body
}

// against makes a session with a server that says that and hangs up; what it was told
// comes out of told.
func against(t *testing.T, says string) (s *session, told <-chan string) {
	t.Helper()
	ours, its := net.Pipe()
	heard := make(chan string, 1)
	go func() {
		question := make([]byte, 4096)
		n, _ := its.Read(question)
		heard <- string(question[:n])
		io.WriteString(its, says)
		its.Close()
	}()
	t.Cleanup(func() { ours.Close() })
	return &session{conn: ours, in: bufio.NewReader(ours)}, heard
}

func TestRun(t *testing.T) {
	ready := message('Z', "I")
	for _, c := range []struct{ name, says, done, wrong string }{
		{"done", message('C', "INSERT 0 1\x00") + ready, "INSERT 0 1", ""},
		{"notice before", message('N', "SNOTICE\x00Mhello\x00\x00") + message('C', "INSERT 0 0\x00") + ready, "INSERT 0 0", ""},
		{"error", message('E', "SERROR\x00C42P01\x00Mno such table\x00\x00") + ready, "", "no such table"},
		{"error without words", message('E', "\x00") + ready, "", "gave no reason"},
		{"hangs up", message('C', "INSERT 0 1\x00"), "", "EOF"},
		{"hangs up within", "C\x00\x00\x00\x10INS", "", "EOF"},
		{"length too small", "C\x00\x00\x00\x03", "", "message of 3 bytes"},
		{"length too big", "C\x7f\xff\xff\xff", "", "message of 2147483647 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, told := against(t, c.says)
			done, err := s.run("SELECT")
			if done != c.done || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%q, %v; want %q, %q", done, err, c.done, c.wrong)
			}
			if q := <-told; q != message('Q', "SELECT\x00") {
				t.Errorf("the server was told %q", q)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	s, _ := against(t, message('R', "\x00\x00\x00\x0a")+message('Z', "I"))
	if _, err := s.ask(nil); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("a server that wants a password: %v", err)
	}
}

func TestAdd(t *testing.T) {
	h := history{node: "o'brien", epoch: 257}
	s, told := against(t, message('C', "INSERT 0 1\x00")+message('Z', "I"))
	if err := h.add(s); err != nil || h.sequence != 1 {
		t.Errorf("row %d, %v", h.sequence, err)
	}
	if q := <-told; !strings.Contains(q, "SELECT 'o''brien', 257, 1 FROM held") {
		t.Errorf("the server was told %q", q)
	}
	s, _ = against(t, message('C', "INSERT 0 0\x00")+message('Z', "I"))
	if err := h.add(s); !errors.Is(err, errRefused) || h.sequence != 1 {
		t.Errorf("a refused row: number %d, %v", h.sequence, err)
	}
}

// Whatever the server says, the writer takes an answer or an error from it, and no more
// memory than one message may have.
func FuzzRun(f *testing.F) {
	f.Add(message('C', "INSERT 0 1\x00") + message('Z', "I"))
	f.Add(message('E', "SERROR\x00Mno\x00\x00") + message('Z', "I"))
	f.Add(message('E', "M"))
	f.Add("R\x00\x00\x00\x08\x00\x00\x00\x05")
	f.Fuzz(func(t *testing.T, says string) {
		s, _ := against(t, says)
		done, err := s.run("SELECT")
		if err == nil && !strings.Contains(says, "Z") || err != nil && done != "" {
			t.Errorf("%q: %q, %v", says, done, err)
		}
	})
}
