package probe

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzAnswer: whatever a server answers, a web check ends, and what it says is one short
// line that can be printed.
func FuzzAnswer(f *testing.F) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 503 \r\n\r\nsick",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nffffffffffffffff\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: \x1b]0;x\x07\r\n\r\n",
		"HTTP/1.1 301 x\r\nLocation: //name.example/\r\n\r\n",
		"HTTP/1.1 301 x\r\nLocation: gopher://127.0.0.1/\r\n\r\n",
		"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic\r\n\r\n",
		"220 mail ESMTP\r\n", "\x15\x03\x01\x00\x02\x02\x46", "",
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Skip(err)
	}
	f.Cleanup(func() { listener.Close() })
	answers := make(chan []byte, 1)
	go serve(listener, answers)
	targets := map[bool]string{
		true:  "http://" + listener.Addr().String() + `/ body="ok"`,
		false: "http://" + listener.Addr().String() + "/ expect=200-503",
	}
	f.Fuzz(func(t *testing.T, octets []byte, body bool) {
		target, err := Parse(targets[body])
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(target, Options{Interval: time.Second, Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		<-answers
		answers <- octets
		ok, text := p.once(t.Context())
		if strings.HasPrefix(text, "timed out") {
			t.Errorf("a server that closed was waited for")
		}
		if text == "" || len(text) > textLimit || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%v, said %q", ok, text)
		}
	})
}

// serve answers each question with the octets of the moment, which stay in the channel.
func serve(listener net.Listener, answers chan []byte) {
	answers <- nil
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			octets := <-answers
			answers <- octets
			conn.Write(octets)
		}
		conn.Close()
	}
}
