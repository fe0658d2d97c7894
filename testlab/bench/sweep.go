package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"vipd/testlab/pair"
)

// sweepEvery is how often every address that has not answered yet is asked. More often,
// the questions themselves would keep the hosts busy.
const sweepEvery = 10 * time.Millisecond

// sweep asks many addresses for the name of their host: each when the client is told
// where it is now, so that the first answer is seen when it can come, and all that have
// not answered in every round.
type sweep struct {
	addresses []netip.Addr
	owner     func(net.HardwareAddr) string
	socket    *net.UDPConn
	tap       *packet.Conn
	reading   sync.WaitGroup

	mu      sync.Mutex
	want    string
	arrived map[netip.Addr]time.Time // first answer by want
}

// newSweep is a sweep of the client's.
func (t *trial) newSweep(addresses []netip.Addr) (*sweep, error) {
	s := &sweep{addresses: addresses, owner: t.lab.Owner}
	err := t.Client.Do(func() error { return s.open(t.Front.Name()) })
	return s, err
}

func (s *sweep) open(card string) error {
	link, err := net.InterfaceByName(card)
	if err != nil {
		return err
	}
	if s.socket, err = net.ListenUDP("udp4", nil); err != nil {
		return err
	}
	if s.tap, err = packet.Listen(link, packet.Datagram, unix.ETH_P_ARP, nil); err != nil {
		s.socket.Close()
		return err
	}
	s.reading.Go(s.read)
	s.reading.Go(s.hear)
	return nil
}

func (s *sweep) close() {
	s.socket.Close()
	s.tap.Close()
	s.reading.Wait()
}

// hear asks each address that is announced by whom it is wanted from.
func (s *sweep) hear() {
	buffer := make([]byte, 512)
	for {
		n, _, err := s.tap.ReadFrom(buffer)
		if err != nil {
			return
		}
		var p arp.Packet
		if p.UnmarshalBinary(buffer[:n]) != nil || p.SenderIP != p.TargetIP {
			continue
		}
		s.mu.Lock()
		_, known := s.arrived[p.SenderIP]
		wanted := !known && s.owner(p.SenderHardwareAddr) == s.want
		s.mu.Unlock()
		if wanted {
			s.ask(p.SenderIP)
		}
	}
}

func (s *sweep) ask(address netip.Addr) {
	s.socket.WriteToUDPAddrPort([]byte("?"), netip.AddrPortFrom(address, pair.ServicePort))
}

func (s *sweep) read() {
	buffer := make([]byte, 512)
	for {
		n, from, err := s.socket.ReadFromUDPAddrPort(buffer)
		at := time.Now()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		address := from.Addr().Unmap()
		s.mu.Lock()
		if _, known := s.arrived[address]; err == nil && !known && string(buffer[:n]) == "?"+s.want {
			s.arrived[address] = at
		}
		s.mu.Unlock()
	}
}

// until asks until that host has answered on every address, and says when each first
// answer came.
func (s *sweep) until(ctx context.Context, want string) ([]time.Time, error) {
	s.mu.Lock()
	s.want, s.arrived = want, make(map[netip.Addr]time.Time)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*pair.StepLimit)
	defer cancel()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		missing := s.missing()
		if len(missing) == 0 {
			return s.times(), nil
		}
		for _, a := range missing {
			s.ask(a)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s does not answer on %d of %d addresses", want, len(missing), len(s.addresses))
		case <-tick.C:
		}
	}
}

func (s *sweep) missing() (list []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.addresses {
		if _, ok := s.arrived[a]; !ok {
			list = append(list, a)
		}
	}
	return list
}

func (s *sweep) times() (list []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.arrived {
		list = append(list, at)
	}
	return list
}
