package pgm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"vipd/pgm"
	"vipd/pgm/packet"
	"vipd/pgm/window"
)

// way is how PGM travels in a test.
type way struct {
	name    string
	v6, raw bool
}

var (
	udp4 = way{"udp", false, false}
	udp6 = way{"udp over ipv6", true, false}
	raw4 = way{"raw", false, true}
	raw6 = way{"raw over ipv6", true, true}
)

func (w way) local(n int) netip.Addr {
	if w.v6 {
		return netip.MustParseAddr(fmt.Sprintf("fd00::%d", n))
	}
	return netip.MustParseAddr(fmt.Sprintf("10.0.0.%d", n))
}

func (w way) group() netip.Addr {
	if w.v6 {
		return netip.MustParseAddr("ff05::7702")
	}
	return netip.MustParseAddr("239.192.77.2")
}

func (w way) port() int {
	if w.raw {
		return 0
	}
	return 3056
}

// open opens a link on host n.
func (l *lan) open(n int, w way, receiver bool) (link pgm.Link, err error) {
	udp := pgm.UDPOptions{Local: w.local(n), Group: netip.AddrPortFrom(w.group(), uint16(w.port()))}
	raw := pgm.RawOptions{Local: w.local(n), Group: w.group()}
	err = l.hosts[n].Do(func() (err error) {
		switch {
		case w.raw && receiver:
			link, err = pgm.ReceiverRaw(raw)
		case w.raw:
			link, err = pgm.SenderRaw(raw)
		case receiver:
			link, err = pgm.ReceiverUDP(udp)
		default:
			link, err = pgm.SenderUDP(udp)
		}
		return err
	})
	return link, err
}

func (l *lan) sender(n int, w way, o pgm.SenderOptions) *pgm.Sender {
	l.t.Helper()
	link, err := l.open(n, w, false)
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := pgm.NewSender(link, o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

func (l *lan) receiver(n int, w way, o pgm.ReceiverOptions) *pgm.Receiver {
	l.t.Helper()
	link, err := l.open(n, w, true)
	if err != nil {
		l.t.Fatal(err)
	}
	if o.Window == (window.ReceiveConfig{}) {
		o.Window = window.ReceiveConfig{BackOff: 2 * time.Millisecond, NCFWait: 20 * time.Millisecond, DataWait: 20 * time.Millisecond}
	}
	r, err := pgm.NewReceiver(link, o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { r.Close() })
	return r
}

// numbered is message i as openpgm.c makes it, but for the time.
func numbered(i, n int) []byte {
	m := make([]byte, n)
	binary.BigEndian.PutUint64(m, uint64(i))
	for k := 16; k < n; k++ {
		m[k] = byte(i + k)
	}
	return m
}

// send sends count messages at a rate, then lingers.
func send(ctx context.Context, s *pgm.Sender, count, size int, perSecond float64) error {
	if err := sendAll(ctx, s, count, size, perSecond); err != nil {
		return err
	}
	return s.Close(context.Background())
}

// sendAll sends count messages at a rate.
func sendAll(ctx context.Context, s *pgm.Sender, count, size int, perSecond float64) error {
	start := time.Now()
	for i := range count {
		if ahead := time.Duration(float64(i)/perSecond*1e9) - time.Since(start); ahead > 0 {
			time.Sleep(ahead)
		}
		if _, err := s.Send(ctx, numbered(i, size)); err != nil {
			return fmt.Errorf("send %d: %w", i, err)
		}
	}
	return nil
}

// heard is what one of our receivers got of one source.
type heard struct {
	first, next, received, lost, holes int
	skipped                            int // numbers of the hole before the next message
	wrong                              string
}

// hear receives until done says so, or everything of sources was heard up to
// count.
func hear(ctx context.Context, r *pgm.Receiver, count, size, sources int) (map[packet.TSI]*heard, error) {
	all := map[packet.TSI]*heard{}
	of := func(t packet.TSI) *heard {
		if all[t] == nil {
			all[t] = &heard{}
		}
		return all[t]
	}
	for done := 0; done < sources; {
		m, err := r.Next(ctx)
		var loss *pgm.LossError
		var end *pgm.EndError
		switch {
		case errors.As(err, &loss):
			h := of(loss.Source)
			h.lost += loss.Count()
			h.holes++
			if h.skipped > 0 {
				h.wrong = fmt.Sprintf("a second event for one hole: %v", err)
			}
			h.skipped = loss.Count()
		case errors.As(err, &end):
		case err != nil:
			return all, err
		default:
			h := of(m.Source)
			h.take(m.Data, size)
			if h.next == count {
				done++
			}
		}
	}
	return all, nil
}

// take checks one message.
func (h *heard) take(m []byte, size int) {
	if len(m) != size {
		h.wrong = fmt.Sprintf("%d octets", len(m))
		return
	}
	i := int(binary.BigEndian.Uint64(m))
	if h.received == 0 {
		h.first, h.next = i, i
	}
	if i < h.next {
		h.wrong = fmt.Sprintf("message %d after %d", i, h.next-1)
	}
	for k := 16; k < size; k++ {
		if m[k] != byte(i+k) {
			h.wrong = fmt.Sprintf("message %d differs at %d", i, k)
			break
		}
	}
	if h.received > 0 && i != h.next+h.skipped {
		h.wrong = fmt.Sprintf("message %d after %d, which no event explains", i, h.next-1)
	}
	h.next, h.skipped = i+1, 0
	h.received++
}

// complete wants everything of each source from the first message on.
func (l *lan) complete(all map[packet.TSI]*heard, err error, count, sources int) {
	l.t.Helper()
	if err != nil || len(all) != sources {
		l.t.Errorf("%d sources: %v", len(all), err)
	}
	for tsi, h := range all {
		if *h != (heard{next: count, received: count}) {
			l.t.Errorf("from %s: %+v, want %d messages", tsi, *h, count)
		}
	}
}
