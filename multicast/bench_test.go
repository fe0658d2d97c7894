package multicast

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/net/ipv4"
)

// moved is the number of datagrams that one turn of a benchmark moves.
const moved = MaxBatch

// BenchmarkBatch is 64 datagrams of 200 bytes to this host itself and back.
func BenchmarkBatch(b *testing.B) {
	c, err := Open(Options{Local: netip.MustParseAddr("127.0.0.1"), ReceiveBuffer: 4 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	s := c.Unicast()
	sent := numbered(moved, 200, Datagram{Addr: s.Local()})
	batch := NewBatch(moved, 2048)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Write(sent); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < moved; {
			n, err := s.Read(batch)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}

// BenchmarkBatchOfNet is the same by golang.org/x/net, for comparison.
func BenchmarkBatchOfNet(b *testing.B) {
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer udp.Close()
	udp.SetReadBuffer(4 << 20)
	p := ipv4.NewPacketConn(udp)
	sent, batch := make([]ipv4.Message, moved), make([]ipv4.Message, moved)
	for i := range moved {
		sent[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 200)}, Addr: udp.LocalAddr()}
		batch[i] = ipv4.Message{Buffers: [][]byte{make([]byte, 2048)}, OOB: make([]byte, controlSize)}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.WriteBatch(sent, 0); err != nil {
			b.Fatal(err)
		}
		for got := 0; got < moved; {
			n, err := p.ReadBatch(batch, 0)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}
