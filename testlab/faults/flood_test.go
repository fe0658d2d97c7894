package faults

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vipd/multicast"
	"vipd/seal"
)

// A flood of what does not open, at one path of both nodes, costs the daemons little
// and moves nothing.
func TestFlood(t *testing.T) {
	const (
		rate = 25_000 // datagrams a second
		long = time.Second
		most = 10 * time.Microsecond // of CPU for a datagram, however busy the machine is
	)
	s := newSite(t, pair4)
	s.startInOrder()
	epoch := s.a.token(front).Epoch
	attacker := s.openAttacker()
	for name, datagram := range s.forgeries() {
		began := time.Now()
		before, idle := s.a.cpu(), s.a.cpuIdle()
		sent := attacker.flood(datagram, rate, long)
		took := s.a.cpu() - before - time.Duration(float64(idle)*time.Since(began).Seconds())
		each := took / time.Duration(sent)
		t.Logf("%-20s %6d datagrams in %v: %v of CPU each", name, sent, time.Since(began).Round(time.Millisecond), each)
		if each > most {
			t.Errorf("%s: %v of CPU for a datagram, want at most %v", name, each, most)
		}
		s.oneAnswered(began)
	}
	for _, n := range []*node{s.a, s.b} {
		if now := n.token(front); now.Epoch != epoch || now.Holder != "hist-a" {
			t.Errorf("%s: %s holds it with epoch %d, want hist-a and %d", n.name, now.Holder, now.Epoch, epoch)
		}
	}
	s.audit(s.a)
}

// forgeries are datagrams that nobody who has the key has sealed, by what they are.
func (s *site) forgeries() map[string][]byte {
	s.t.Helper()
	keys, err := seal.ReadKeyFile(filepath.Join(s.dir, "key"))
	if err != nil {
		s.t.Fatal(err)
	}
	ring, _ := seal.NewRing("t", keys[0])
	whole := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1 << 62, Session: 9}).Seal(nil, make([]byte, 200))
	changed := func(at int, to byte) []byte {
		datagram := append([]byte{}, whole...)
		datagram[at] = to
		return datagram
	}
	return map[string][]byte{
		"short":          make([]byte, 30),
		"random":         []byte(strings.Repeat("\x2a", 300)),
		"version 1":      changed(seal.AtVersion, 1),
		"another key":    changed(seal.AtKeyID, whole[seal.AtKeyID]+1),
		"a new session":  changed(seal.HeaderSize-1, whole[seal.HeaderSize-1]+1),
		"an old session": changed(12, 0),
	}
}

// attacker sends from the client's host to the service network.
type attacker struct {
	site *site
	conn *multicast.Conn
}

func (s *site) openAttacker() (a attacker) {
	s.t.Helper()
	a.site = s
	err := s.client.Do(func() (err error) {
		a.conn, err = multicast.Open(multicast.Options{Local: netip.MustParseAddr("192.0.2.100"), Group: netip.MustParseAddrPort("239.192.77.1:7000")})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { a.conn.Close() })
	return a
}

// flood sends the datagram to the group and to hist-a in turns, and returns how many
// hist-a was sent.
func (a attacker) flood(datagram []byte, rate int, long time.Duration) (sent int) {
	to := []netip.AddrPort{netip.MustParseAddrPort("239.192.77.1:7000"), netip.MustParseAddrPort("192.0.2.11:7000")}
	batch := make([]multicast.Datagram, 50)
	for i := range batch {
		batch[i] = multicast.Datagram{Addr: to[i%2], Data: datagram}
	}
	every := time.Duration(len(batch)) * time.Second / time.Duration(rate)
	for next, end := time.Now(), time.Now().Add(long); next.Before(end); next = next.Add(every) {
		time.Sleep(time.Until(next))
		n, err := a.conn.Unicast().Write(batch)
		if err != nil {
			a.site.t.Fatal(err)
		}
		sent += n
	}
	return sent
}

// cpu is the processor time that the node's daemon has used.
func (n *node) cpu() (sum time.Duration) {
	n.site.t.Helper()
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", n.proc.PID()))
	for _, file := range files {
		var used time.Duration
		if text, err := os.ReadFile(file); err == nil {
			fmt.Sscan(string(text), &used)
		}
		sum += used
	}
	return sum
}

// cpuIdle is the processor time that the node's daemon uses in a second without an
// attack.
func (n *node) cpuIdle() time.Duration {
	before := n.cpu()
	time.Sleep(200 * time.Millisecond)
	return 5 * (n.cpu() - before)
}
