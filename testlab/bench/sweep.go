package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"vipd/testlab/pair"
)

// sweepEvery is how often every address that has not answered yet is asked. More often,
// the questions themselves would keep the hosts busy.
const sweepEvery = 10 * time.Millisecond

// sweep asks many addresses for the name of their host.
type sweep struct {
	addresses []netip.Addr
	socket    *net.UDPConn
	reading   sync.WaitGroup

	mu      sync.Mutex
	want    string
	arrived map[netip.Addr]bool // an answer by want
}

// newSweep is a sweep by the client.
func (t *trial) newSweep(addresses []netip.Addr) (*sweep, error) {
	s := &sweep{addresses: addresses}
	err := t.Client.Do(func() (err error) {
		s.socket, err = net.ListenUDP("udp4", nil)
		return err
	})
	if err == nil {
		s.reading.Go(s.read)
	}
	return s, err
}

func (s *sweep) close() {
	s.socket.Close()
	s.reading.Wait()
}

func (s *sweep) read() {
	buffer := make([]byte, 512)
	for {
		n, from, err := s.socket.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		address := from.Addr().Unmap()
		s.mu.Lock()
		if err == nil && string(buffer[:n]) == "?"+s.want {
			s.arrived[address] = true
		}
		s.mu.Unlock()
	}
}

// until asks until that host has answered on every address.
func (s *sweep) until(ctx context.Context, want string) (time.Time, error) {
	s.mu.Lock()
	s.want, s.arrived = want, make(map[netip.Addr]bool)
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*pair.StepLimit)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for asked := (time.Time{}); ; {
		missing := s.missing()
		if len(missing) == 0 {
			return time.Now(), nil
		}
		if time.Since(asked) >= sweepEvery {
			asked = time.Now()
			s.ask(missing)
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("%s does not answer on %d of %d addresses", want, len(missing), len(s.addresses))
		case <-tick.C:
		}
	}
}

func (s *sweep) ask(addresses []netip.Addr) {
	for _, a := range addresses {
		s.socket.WriteToUDPAddrPort([]byte("?"), netip.AddrPortFrom(a, pair.ServicePort))
	}
}

func (s *sweep) missing() (list []netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.addresses {
		if !s.arrived[a] {
			list = append(list, a)
		}
	}
	return list
}
