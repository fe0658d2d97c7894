package lease

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
)

// callTime is the longest wait for the kernel's answers to one request. It answers within
// the system call that asks, so that only a lost answer is waited for.
const callTime = time.Second

// netfilter is a socket to nftables. It is used by one goroutine at a time.
type netfilter struct {
	*nftables.Conn
	socket *netlink.Conn
}

// dialNetfilter opens a socket in the network namespace of the calling thread.
func dialNetfilter() (*netfilter, error) {
	n := &netfilter{}
	var err error
	n.Conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		n.socket = c
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	return n, nil
}

// Flush sends what was queued, as one transaction.
func (n *netfilter) Flush() error { return n.within(n.Conn.Flush) }

// within does one request. The library waits for as many answers as it expects, and the
// kernel gives fewer where it gives the whole up: that ends with callTime. What is left of
// the answers is thrown away, so that no later request takes them for its own.
func (n *netfilter) within(request func() error) error {
	n.socket.SetDeadline(time.Now().Add(callTime))
	err := request()
	if err != nil {
		n.drain()
	}
	n.socket.SetDeadline(time.Time{})
	return err
}

// mostLeft is more than the answers to one request: an element and a rule each has one.
const mostLeft = 1 << 16

func (n *netfilter) drain() {
	for range mostLeft {
		n.socket.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := n.socket.Receive(); errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
			return
		}
	}
}

func (n *netfilter) close() {
	if n != nil && n.Conn != nil {
		n.CloseLasting()
	}
}
