package standin

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"

	"golang.org/x/net/ipv4"
)

// largestQuestion is the longest datagram that is answered whole, in bytes.
const largestQuestion = 2048

// dataServer answers clients as the laboratory's responders do, so that the same client
// can ask it: a connection with the host's name, a datagram with itself and the name
// after it, from the address that was asked.
type dataServer struct {
	name        string
	stream      net.Listener
	datagram    *ipv4.PacketConn
	connections atomic.Uint64
	datagrams   atomic.Uint64
}

func (d *dataServer) open(l *life) (*os.File, error) {
	stream, err := net.Listen("tcp", wildcard(l.port))
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenPacket("udp4", wildcard(l.port))
	if err != nil {
		return nil, err
	}
	d.name, d.stream, d.datagram = l.node, stream, ipv4.NewPacketConn(socket)
	if err := d.datagram.SetControlMessage(ipv4.FlagDst, true); err != nil {
		return nil, err
	}
	return stream.(*net.TCPListener).File()
}

func (d *dataServer) serve(ctx context.Context, _ *life) error {
	ended := make(chan error, 2)
	go func() { ended <- d.echo() }()
	go func() { ended <- d.accept() }()
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

func (d *dataServer) echo() error {
	buffer := make([]byte, largestQuestion)
	for {
		n, control, from, err := d.datagram.ReadFrom(buffer)
		if err != nil {
			return err
		}
		d.datagrams.Add(1)
		answer := append(buffer[:n:n], d.name...)
		d.datagram.WriteTo(answer, &ipv4.ControlMessage{Src: control.Dst}, from) // lost when the address just went
	}
}

func (d *dataServer) accept() error {
	for {
		conn, err := d.stream.Accept()
		if err != nil {
			return err
		}
		d.connections.Add(1)
		conn.Write([]byte(d.name)) // fits the socket's buffer; a client that is gone needs none
		conn.Close()
	}
}

func (d *dataServer) status() (string, error) {
	return fmt.Sprintf("datagrams %d\nconnections %d\n", d.datagrams.Load(), d.connections.Load()), nil
}
