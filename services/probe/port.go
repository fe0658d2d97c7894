package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// localhost is the one name that is understood: this host's loopback, IPv4 first.
const localhost = "localhost"

// port is a TCP port that must accept a connection.
type port struct{ address string }

func parsePort(rest string) (kind, error) {
	address, ok := strings.CutPrefix(rest, "//")
	host, number, err := net.SplitHostPort(address)
	if !ok || err != nil {
		return nil, errors.New("want tcp://host:port")
	}
	if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 {
		return nil, fmt.Errorf("port %q: want 1 to 65535", number)
	}
	return port{address}, literal(host)
}

func (p port) open(Options) checker { return p }
func (port) validate() error        { return nil }

func (p port) check(ctx context.Context) (string, error) {
	conn, err := dial(ctx, "tcp", p.address)
	if err != nil {
		return "", err
	}
	// A reset instead of a farewell: else each check would leave a port waiting
	// for a minute, 6000 of them at the shortest interval.
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
	return "connected", nil
}

// dial connects to a literal address, or to localhost on either of its addresses.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{KeepAlive: -1} // it would outlive no check
	if host != localhost {
		return d.DialContext(ctx, network, address)
	}
	conn, first := d.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", number))
	if first == nil {
		return conn, nil
	}
	if conn, err = d.DialContext(ctx, network, net.JoinHostPort("::1", number)); err != nil {
		return nil, first
	}
	return conn, nil
}
