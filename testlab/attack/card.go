// Package attack is a stranger on the LAN: it records what the nodes of a cluster tell
// each other and sends it again, forges and floods, and speaks ARP and neighbour
// discovery in others' names. Tests use it as a library, and the command
// vipd/testlab/attack/attacker inside a network namespace.
//
// It has no key: all that it knows was heard on the wire. It never decides whether what
// came of an attack is right.
//
//	Card ── Record ─► Recording ── Replay ─► Card
//	 │                    └─ Forge (each way of Forgeries) ─► Card
//	 └─ Spoof: ARP and neighbour discovery, asked or unasked
//
// Frames go out through one packet socket in the namespace in which it was opened. It
// refuses loopback devices, and sends to no network but that of its card.
package attack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// maxFrame is the longest frame that is read or sent, in octets.
const maxFrame = 2048

// Card is the attacker's network card.
type Card struct {
	Name string
	MAC  net.HardwareAddr

	index int
	out   int // socket
}

// Open opens the card of that name in the calling thread's network namespace.
func Open(name string) (*Card, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("find card %s: %w", name, err)
	}
	if len(link.HardwareAddr) != 6 {
		return nil, fmt.Errorf("card %s is no Ethernet card", name)
	}
	c := &Card{Name: name, MAC: link.HardwareAddr, index: link.Index}
	if c.out, err = c.socket(0); err != nil { // protocol 0: it hears nothing
		return nil, err
	}
	return c, nil
}

// Close ends the sending; records that run go on to their end.
func (c *Card) Close() { unix.Close(c.out) }

// socket opens a packet socket on the card. Whoever uses it outside of the namespace
// keeps reaching this card.
func (c *Card) socket(protocol uint16) (int, error) {
	kind := int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, kind)
	if err != nil {
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(kind), Ifindex: c.index}); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("bind a packet socket to %s: %w", c.Name, err)
	}
	return fd, nil
}

// listener opens a socket that hears every frame of the card, also others' unicast, and
// returns from reads now and then.
func (c *Card) listener() (int, error) {
	fd, err := c.socket(unix.ETH_P_ALL)
	if err != nil {
		return -1, err
	}
	wait := unix.NsecToTimeval(int64(20 * time.Millisecond))
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(c.index), Type: unix.PACKET_MR_PROMISC}),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("set up a listening socket on %s: %w", c.Name, err)
	}
	return fd, nil
}

// hear calls each with every frame that arrives at a listener until ctx ends, and closes
// it; the frame is valid during the call.
func hear(ctx context.Context, fd int, each func(frame []byte)) error {
	defer unix.Close(fd)
	buffer := make([]byte, maxFrame)
	for ctx.Err() == nil {
		n, err := unix.Read(fd, buffer)
		switch {
		case err == unix.EAGAIN, err == unix.EINTR, err == unix.ENETDOWN:
		case err != nil:
			return fmt.Errorf("read frames: %w", err)
		default:
			each(buffer[:n])
		}
	}
	return nil
}

// Send sends frames, so many a second, until there are no more or ctx ends; 0 is as
// fast as the card takes them. A frame that finds the card's queue full is not sent and
// not counted. A sender that was not woken in time catches up within a tenth of a
// second, and leaves out what it missed before.
func (c *Card) Send(ctx context.Context, perSecond int, frames iter.Seq[[]byte]) (sent int) {
	pace := pacer{every: interval(perSecond), next: time.Now()}
	for frame := range frames {
		if ctx.Err() != nil || !pace.wait(ctx) {
			return sent
		}
		to := &unix.SockaddrLinklayer{Ifindex: c.index, Halen: 6}
		copy(to.Addr[:], frame)
		if unix.Sendto(c.out, frame, unix.MSG_DONTWAIT, to) == nil {
			sent++
		}
	}
	return sent
}

func interval(perSecond int) time.Duration {
	if perSecond <= 0 {
		return 0
	}
	return time.Second / time.Duration(perSecond)
}

// pacer gives each send its instant.
type pacer struct {
	every time.Duration // 0: at once
	next  time.Time
}

// wait waits for the next instant; false when ctx ends before.
func (p *pacer) wait(ctx context.Context) bool {
	if p.every == 0 {
		return true
	}
	const behind = 100 * time.Millisecond
	if now := time.Now(); now.Sub(p.next) > behind {
		p.next = now.Add(-behind)
	}
	if rest := time.Until(p.next); rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
	}
	p.next = p.next.Add(p.every)
	return true
}
