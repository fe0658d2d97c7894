package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/mdlayher/arp"
	"golang.org/x/sys/unix"

	"vipd/testlab/pair"
	"vipd/testlab/rig"
)

// whereabouts is when the client was told, by gratuitous ARP, at which host an address is. The
// kernel notes when each frame came: the client itself is too slow to ask hundreds of
// addresses at that moment, on the processors that their new host needs too.
type whereabouts struct {
	owner   func(net.HardwareAddr) string
	file    *os.File
	raw     syscall.RawConn
	reading sync.WaitGroup

	mu    sync.Mutex
	first map[station]time.Time
}

// station is an address at a host.
type station struct {
	address netip.Addr
	host    string
}

// listen notes what the client is told from now on.
func (t *trial) listen() (*whereabouts, error) {
	l := &whereabouts{owner: t.lab.Owner, first: make(map[station]time.Time)}
	if err := t.Client.Do(func() error { return l.open(t.Front.Name()) }); err != nil {
		return nil, fmt.Errorf("listen for ARP: %w", err)
	}
	l.reading.Go(l.read)
	return l, nil
}

func (l *whereabouts) open(card string) error {
	link, err := net.InterfaceByName(card)
	if err != nil {
		return err
	}
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ARP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(protocol))
	if err != nil {
		return err
	}
	l.file = os.NewFile(uintptr(fd), "arp")
	const room = 4 << 20 // bytes; a thousand addresses are announced twice at once
	for _, err := range []error{
		unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link.Index, Protocol: protocol}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room),
	} {
		if err != nil {
			l.file.Close()
			return err
		}
	}
	l.raw, err = l.file.SyscallConn()
	return err
}

func (l *whereabouts) close() {
	l.file.Close()
	l.reading.Wait()
}

func (l *whereabouts) read() {
	frame, control := make([]byte, 512), make([]byte, 128)
	for {
		var n, m int
		var failed error
		err := l.raw.Read(func(fd uintptr) bool {
			n, m, _, _, failed = unix.Recvmsg(int(fd), frame, control, 0)
			return failed != unix.EAGAIN
		})
		if err != nil || failed != nil {
			return
		}
		l.note(frame[:n], control[:m])
	}
}

func (l *whereabouts) note(frame, control []byte) {
	var p arp.Packet
	if p.UnmarshalBinary(frame) != nil || p.SenderIP != p.TargetIP {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	where := station{p.SenderIP, l.owner(p.SenderHardwareAddr)}
	if _, known := l.first[where]; !known {
		l.first[where] = rig.Arrival(control)
	}
}

// forget makes all that was told no news.
func (l *whereabouts) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.first)
}

// until waits until the client was told of every address at that host, and says when of
// the first and of the last.
func (l *whereabouts) until(ctx context.Context, addresses []netip.Addr, host string) (first, last time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*pair.StepLimit)
	defer cancel()
	for {
		var missing int
		if first, last, missing = l.extent(addresses, host); missing == 0 {
			return first, last, nil
		}
		select {
		case <-ctx.Done():
			return first, last, fmt.Errorf("nobody said of %d of %d addresses that they are at %s", missing, len(addresses), host)
		case <-time.After(time.Millisecond):
		}
	}
}

func (l *whereabouts) extent(addresses []netip.Addr, host string) (first, last time.Time, missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range addresses {
		at, known := l.first[station{a, host}]
		switch {
		case !known:
			missing++
			continue
		case first.IsZero() || at.Before(first):
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return first, last, missing
}
