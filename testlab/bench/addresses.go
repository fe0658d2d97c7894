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

// sweepEvery is how often every address that has not answered yet is asked, which is
// how exact the figures are.
const sweepEvery = 2 * time.Millisecond

// extraAddress is the i-th shared address besides the first, the first 199 in the
// network of the service LAN; none is that of a host.
func extraAddress(i int) netip.Prefix {
	b := [4]byte{192, 0, 2, byte(20 + i)}
	switch {
	case i >= 199:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 7, byte((i - 198) / 256), byte((i - 198) % 256)}), wide.Bits())
	case i >= 79:
		b[3] = byte(101 + i - 79)
	}
	return netip.PrefixFrom(netip.AddrFrom4(b), pair.Shared.Bits())
}

// manyAddresses waits until hist-a answers on every address, cuts its power and waits
// until hist-b does.
func (t *trial) manyAddresses() error {
	addresses := []netip.Addr{pair.Shared.Addr()}
	for i := range 199 {
		addresses = append(addresses, extraAddress(i).Addr())
	}
	return t.sweepAddresses(&sweep{addresses: addresses, every: sweepEvery})
}

func (t *trial) sweepAddresses(sweep *sweep) error {
	if err := t.Client.Do(sweep.open); err != nil {
		return err
	}
	defer sweep.close()
	if err := t.askBy(t.A); err != nil {
		return err
	}
	if _, err := sweep.until(t.ctx, nameA); err != nil {
		return err
	}
	if err := t.askBy(t.B); err != nil {
		return err
	}
	var cut sync.WaitGroup
	defer cut.Wait()
	from := time.Now()
	cut.Go(t.A.CutPower) // it takes longer than the other host to notice
	arrived, err := sweep.until(t.ctx, nameB)
	if err != nil {
		return err
	}
	first, last := arrived[0], arrived[0]
	for _, at := range arrived {
		if at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	t.values["first to last"], t.values["all answer after"] = ms(last.Sub(first)), ms(last.Sub(from))
	t.values[stallKey] = ms(t.Probe.Report(from, time.Now()).Stall)
	return nil
}

// sweep asks many addresses for the name of their host.
type sweep struct {
	addresses []netip.Addr
	every     time.Duration
	socket    *net.UDPConn
	reading   sync.WaitGroup

	mu      sync.Mutex
	want    string
	arrived map[netip.Addr]time.Time // first answer by want
}

func (s *sweep) open() (err error) {
	s.socket, err = net.ListenUDP("udp4", nil)
	if err == nil {
		s.reading.Go(s.read)
	}
	return err
}

func (s *sweep) close() {
	s.socket.Close()
	s.reading.Wait()
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
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		missing := s.missing()
		if len(missing) == 0 {
			return s.times(), nil
		}
		for _, a := range missing {
			s.socket.WriteToUDPAddrPort([]byte("?"), netip.AddrPortFrom(a, pair.ServicePort))
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
