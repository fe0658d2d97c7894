package pgm

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
)

// slowLink is a link whose every Write takes its time, as a full send queue does.
type slowLink struct {
	Link
	each time.Duration
}

func (l slowLink) Write(batch []multicast.Datagram) (int, error) {
	time.Sleep(l.each)
	return l.Link.Write(batch)
}

// deaf is a FlowConn on which nobody ever answers.
type deaf chan struct{}

func (d deaf) Read([]byte) (int, netip.AddrPort, error) {
	<-d
	return 0, netip.AddrPort{}, net.ErrClosed
}
func (d deaf) Write([]byte, netip.AddrPort) error { return nil }
func (d deaf) Close() error                       { close(d); return nil }

// TestNAKIsConfirmedAtOnce shows the longest time from a NAK to its NCF, whatever
// holds the sender up meanwhile: its rate, a known receiver, a slow link. An NCF
// waits for the write that is under way, and for its own; for nothing else.
func TestNAKIsConfirmedAtOnce(t *testing.T) {
	const write = time.Millisecond
	for _, c := range []struct {
		name    string
		o       SenderOptions
		each    time.Duration // of a write
		callers int           // goroutines that send as fast as they can
		ask     int           // numbers in each NAK
		most    time.Duration
	}{
		{"at the rate limit", SenderOptions{Rate: 1e6}, 0, 1, 1, 0},
		{"in debt for repairs", SenderOptions{Rate: 1e5, Burst: 2000, RepairRate: 1e9}, 0, 1, 60, 0},
		{"a known receiver is silent", SenderOptions{Receivers: []netip.AddrPort{netip.AddrPortFrom(addrB, 7501)}, Window: 64}, 0, 1, 1, 0},
		{"a slow link", SenderOptions{}, write, 1, 1, 2 * write},
		{"a slow link and many repairs", SenderOptions{RepairRate: 1e9}, write, 1, 60, 2 * write},
		{"a slow link and many callers", SenderOptions{}, write, 8, 1, 2 * write},
		{"a slow link and packed messages", SenderOptions{Pack: true}, write, 8, 1, 2 * write},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bus := NewBus(BusOptions{})
				if len(c.o.Receivers) > 0 {
					c.o.Flow = make(deaf)
				}
				c.o.Linger = write
				s := newSender(t, slowLink{bus.Link(addrA, group), c.each}, c.o)
				x := &asker{t: t, s: s, link: bus.Link(addrC, group)}
				defer x.link.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				for range c.callers {
					go func() {
						for {
							if _, err := s.Send(ctx, numbered(0, 1000)); err != nil {
								return
							}
						}
					}()
				}
				time.Sleep(20 * write)
				worst := time.Duration(0)
				for range 300 {
					time.Sleep(write + write/7)
					worst = max(worst, x.confirmed(c.ask))
				}
				t.Logf("longest from a NAK to its NCF: %v", worst)
				if worst > c.most {
					t.Errorf("an NCF came %v after its NAK, at most %v is due", worst, c.most)
				}
			})
		})
	}
}

// asker asks for packets it may well have, and waits for the answer.
type asker struct {
	t    *testing.T
	s    *Sender
	link Link
}

// confirmed asks for the numbers written last and returns how long the NCF took.
func (x *asker) confirmed(count int) time.Duration {
	x.s.mu.Lock()
	last := x.s.unsent.Add(-1)
	x.s.mu.Unlock()
	p := packet.Packet{Type: packet.NAK, SourcePort: x.s.o.Port, DestPort: x.s.tsi.Port, GSI: x.s.tsi.GSI, Seq: last, Source: addrA, Group: group}
	for i := 1; i < count; i++ {
		o := p.Options.With(packet.OptNAKList)
		o.NAKList = append(o.NAKList, last.Add(-i))
	}
	asked := time.Now()
	if _, err := x.link.Write([]multicast.Datagram{{Data: p.Append(nil), Addr: netip.AddrPortFrom(addrA, 0)}}); err != nil {
		x.t.Fatal(err)
	}
	for batch := make([]multicast.Datagram, 64); ; {
		n, err := x.link.Inputs()[0].Read(batch)
		if err != nil {
			x.t.Fatal(err)
		}
		for _, d := range batch[:n] {
			if p.Parse(d.Data) == nil && p.Type == packet.NCF && p.Seq == last {
				return time.Since(asked)
			}
		}
	}
}
