package control

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// answering is a client whose daemon says these octets, whatever it is asked.
func answering(octets []byte) *Client {
	dial := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				theirs.Write(octets)
			}
		}()
		return ours, nil
	}
	return &Client{http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, ExpectContinueTimeout: time.Millisecond}}}
}

// FuzzAnswers: whatever listens on the socket answers, each call ends, and what a caller
// is told of it is one of the errors that it may branch on.
func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\n\r\n{\"tokens\":[{\"name\":\"vip:front\",\"proved\":null}],\"nodes\":null}",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"nex\r\nffffffffffffffff\r\n",
		"HTTP/1.1 409 Conflict\r\n\r\n{\"code\":4,\"message\":\"held\"}",
		"HTTP/1.1 500 x\r\n\r\n{\"code\":0}",
		"HTTP/1.1 302 Found\r\nLocation: http://vipd/v1/status\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: ://\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n", "", "\x00",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		c := answering(octets)
		defer c.http.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, statusErr := c.Status(ctx)
		_, eventsErr := c.Events(ctx, 1)
		_, moveErr := c.Move(ctx, MoveRequest{Token: "vip:front"})
		for _, err := range []error{statusErr, eventsErr, moveErr} {
			var e *Error
			switch {
			case err == nil, errors.Is(err, ErrNotRunning), errors.Is(err, ErrNoAnswer):
			case !errors.As(err, &e):
				t.Errorf("%T: %v", err, err)
			case e.Code == 0 || e.Message == "":
				t.Errorf("an error that says nothing: %+v", e)
			}
		}
		for _, err := range c.Follow(ctx, 0) {
			var e *Error
			if err != nil && !errors.Is(err, ErrNotRunning) && !errors.Is(err, ErrNoAnswer) && !errors.As(err, &e) && !errors.Is(err, io.EOF) {
				t.Errorf("%T: %v", err, err)
			}
		}
	})
}
