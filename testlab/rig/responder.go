package rig

import (
	"fmt"
	"net"
	"strconv"
	"sync"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// largestQuestion is the longest datagram a responder echoes, in bytes.
const largestQuestion = 2048

// Responder is the service of a host: it tells whoever asks, by a UDP datagram or a
// TCP connection to its port on any of the host's addresses, the host's name. It
// answers a datagram from the address that was asked, with the datagram and the name
// after it; it goes on when addresses come and go, and ends with its host.
//
// It lives in this process, on sockets of the host.
type Responder struct {
	name    string
	closers []interface{ Close() error }
	running sync.WaitGroup
}

// Respond starts a responder on the host.
func (h *Host) Respond(port uint16) *Responder {
	r := &Responder{name: h.name}
	if err := h.Do(func() error { return r.open(port) }); err != nil {
		r.Close()
		h.lab.broken(fmt.Errorf("responder of %s: %w", h.name, err))
	}
	if !h.owe(r.Close) {
		r.Close()
	}
	return r
}

// Close ends the responder. Closing it again is fine.
func (r *Responder) Close() {
	for _, c := range r.closers {
		c.Close()
	}
	r.running.Wait()
}

func (r *Responder) open(port uint16) error {
	wildcard := ":" + strconv.Itoa(int(port))
	four, err := net.ListenPacket("udp4", wildcard)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, four)
	six, err := net.ListenPacket("udp6", wildcard)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, six)
	listener, err := net.Listen("tcp", wildcard)
	if err != nil {
		return err
	}
	r.closers = append(r.closers, listener)
	conn4, conn6 := ipv4.NewPacketConn(four), ipv6.NewPacketConn(six)
	if err := conn4.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return err
	}
	if err := conn6.SetControlMessage(ipv6.FlagDst, true); err != nil {
		return err
	}
	r.running.Go(func() { r.echo4(conn4) })
	r.running.Go(func() { r.echo6(conn6) })
	r.running.Go(func() { r.accept(listener) })
	return nil
}

// echo4 answers until its socket is closed. An answer that can't be sent because the
// address went meanwhile is lost like any datagram.
func (r *Responder) echo4(conn *ipv4.PacketConn) {
	buffer := make([]byte, largestQuestion)
	for {
		n, control, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		conn.WriteTo(append(buffer[:n:n], r.name...), &ipv4.ControlMessage{Src: control.Dst}, from)
	}
}

func (r *Responder) echo6(conn *ipv6.PacketConn) {
	buffer := make([]byte, largestQuestion)
	for {
		n, control, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		conn.WriteTo(append(buffer[:n:n], r.name...), &ipv6.ControlMessage{Src: control.Dst}, from)
	}
}

func (r *Responder) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		conn.Write([]byte(r.name))
		conn.Close()
	}
}
