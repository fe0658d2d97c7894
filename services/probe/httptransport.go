package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// httpTransport asks one question over one connection, and does all of it in the
// caller's goroutine. The transport of package net/http keeps a reader going beside
// each connection, and logs what a server says that was not asked, such as one of
// another protocol: with each check.
type httpTransport struct{ tls *tls.Config }

// RoundTrip asks. The connection ends with the answer's body, or with the context.
func (x httpTransport) RoundTrip(ask *http.Request) (*http.Response, error) {
	ctx := ask.Context()
	conn, err := dial(ctx, "tcp", destination(ask))
	if err != nil {
		return nil, err
	}
	// The context closes it too, else it would wait for a deadline that a broken
	// off check does not have.
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	answer, err := x.send(conn, ask)
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	answer.Body = body{answer.Body, conn, stop}
	return answer, nil
}

// destination is the address of the request's server, with its port.
func destination(ask *http.Request) string {
	port := ask.URL.Port()
	switch {
	case port != "":
	case ask.URL.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(ask.URL.Hostname(), port)
}

// interim is the most answers that only say that another will come (RFC 9110
// section 15.2).
const interim = 5

// send asks over a connection.
func (x httpTransport) send(conn net.Conn, ask *http.Request) (*http.Response, error) {
	if ask.URL.Scheme == "https" {
		named := x.tls.Clone()
		named.ServerName = ask.URL.Hostname()
		secure := tls.Client(conn, named)
		if err := secure.HandshakeContext(ask.Context()); err != nil {
			return nil, err
		}
		conn = secure
	}
	ask.Close = true
	if err := ask.Write(conn); err != nil {
		return nil, err
	}
	from := bufio.NewReader(io.LimitReader(conn, headLimit+bodyLimit))
	for range interim {
		answer, err := http.ReadResponse(from, ask)
		if err != nil || answer.StatusCode >= http.StatusOK || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, err
		}
	}
	return nil, fmt.Errorf("no answer after %d that promise one", interim)
}

// body is an answer's body that ends the connection.
type body struct {
	io.ReadCloser
	conn net.Conn
	stop func() bool
}

// Close does not read what is left of the body.
func (b body) Close() error {
	b.stop()
	return b.conn.Close()
}
