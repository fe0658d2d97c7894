package faults

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
)

// Twenty tokens of fifty addresses each move to the other host and back. While one host
// removes a thousand addresses and the other adds them, no heartbeat of either is late,
// nor any renewal. Where leases are nftables', whose renewals are transactions of the
// kernel's, it is two tokens and a hundred addresses.
func TestThousandAddressesDelayNothing(t *testing.T) {
	t.Parallel()
	tokens := 20
	if !slices.Contains(rig.Means(), rig.BPF) {
		tokens = 2
	}
	config, all := pair4, []string{"192.0.2.10"}
	for v := range tokens {
		var list []string
		for i := range 50 {
			addr := fmt.Sprintf("10.1.%d.%d", v, 1+i)
			list, all = append(list, `"`+addr+`/16"`), append(all, addr)
		}
		config += fmt.Sprintf("[vip.v%d]\ninterface = \"eth0\"\naddresses = [%s]\n", v, strings.Join(list, ", "))
	}
	s := newSite(t, config)
	s.start()
	s.audit(s.a, all...)
	ears := []*ear{s.listen(s.a, s.b), s.listen(s.b, s.a)}
	for _, order := range []string{"suspend", "resume"} {
		holder, other := s.a, s.b
		if order == "resume" {
			holder, other = s.b, s.a
		}
		watch := s.watchLeases(1+tokens, holder, other)
		from := time.Now()
		s.a.expect(0, "", order, "hist-a")
		s.eventually("all have moved", func() bool { return len(other.sharedAddresses()) == len(all) })
		took := time.Since(from)
		time.Sleep(2 * beatEvery)
		least := watch()
		late := 4 * s.probe.Report(from, time.Now()).Stall // of the machine's, which is not the daemons' doing
		for _, e := range ears {
			gap := e.longest(from, time.Now())
			t.Logf("%s, %v: longest time between two messages of %s %v", order, took, e.of, gap)
			if gap > beatEvery*3/2+late {
				t.Errorf("%s: %s was silent for %v", order, e.of, gap)
			}
		}
		t.Logf("%s: each lease lasted at least another %v; the machine was late by %v", order, least, late)
		if least < max(0, leaseFor-beatEvery*3/2-late) {
			t.Errorf("%s: a lease had only %v left", order, least)
		}
	}
	s.audit(s.a, all...)
	s.oneAnswered(s.began)
}

// watchLeases looks at the nodes' leases each millisecond until told to stop, and then
// says how little any of them had left.
func (s *site) watchLeases(tokens int, nodes ...*node) (stop func() (least time.Duration)) {
	ended, least := make(chan struct{}), time.Hour
	var run sync.WaitGroup
	run.Go(func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(time.Millisecond):
			}
			for _, n := range nodes {
				for _, left := range n.leases(tokens) {
					least = min(least, left)
				}
			}
		}
	})
	return func() time.Duration {
		close(ended)
		run.Wait()
		return least
	}
}

// ear notes when each message of a node reached another's host.
type ear struct {
	of string
	mu sync.Mutex
	at []time.Time
}

// listen has one node's host note what the other says on the service LAN.
func (s *site) listen(to, of *node) *ear {
	s.t.Helper()
	e := &ear{of: of.name}
	socket := -1
	err := to.host.Do(func() (err error) { socket, err = openEar(to.lan); return err })
	if err != nil {
		s.t.Fatalf("listen on %s: %v", to.name, err)
	}
	ended := make(chan struct{})
	var run sync.WaitGroup
	run.Go(func() { e.hear(socket, of.lan.MAC(), ended) })
	s.t.Cleanup(func() {
		close(ended)
		run.Wait()
		unix.Close(socket)
	})
	return e
}

func openEar(p *rig.Port) (socket int, err error) {
	typ := int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP)))
	if socket, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, typ); err != nil {
		return -1, err
	}
	wait := unix.NsecToTimeval(int64(50 * time.Millisecond))
	for _, err := range []error{
		unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: uint16(typ), Ifindex: p.Index()}),
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
	} {
		if err != nil {
			unix.Close(socket)
			return -1, err
		}
	}
	return socket, nil
}

// hear reads until ended. The kernel's stamps count, not when it comes to read them.
func (e *ear) hear(socket int, from []byte, ended <-chan struct{}) {
	const port, at = 7000, 14 + 20 + 2 // of the UDP header after an IPv4 one
	frame, control := make([]byte, 2048), make([]byte, 128)
	for {
		select {
		case <-ended:
			return
		default:
		}
		n, c, _, _, err := unix.Recvmsg(socket, frame, control, 0)
		if err != nil || n < at+2 || !slices.Equal(frame[6:12], from) || binary.BigEndian.Uint16(frame[at:]) != port {
			continue
		}
		messages, err := unix.ParseSocketControlMessage(control[:c])
		if err != nil || len(messages) == 0 || len(messages[0].Data) < 16 {
			continue
		}
		stamp := messages[0].Data
		e.mu.Lock()
		e.at = append(e.at, time.Unix(int64(binary.NativeEndian.Uint64(stamp)), int64(binary.NativeEndian.Uint64(stamp[8:]))))
		e.mu.Unlock()
	}
}

// longest is the longest time between two messages from one time to the other.
func (e *ear) longest(from, to time.Time) (gap time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := from
	for _, at := range append(slices.Clone(e.at), to) {
		if at.Before(from) {
			continue
		}
		gap, last = max(gap, at.Sub(last)), at
	}
	return gap
}
