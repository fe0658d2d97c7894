package pgm

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"vipd/multicast"
	"vipd/pgm/packet"
)

// paced is a link on which each datagram takes its time.
type paced struct {
	Link
	each time.Duration
}

func (l paced) Write(batch []multicast.Datagram) (int, error) {
	time.Sleep(l.each * time.Duration(len(batch)))
	return l.Link.Write(batch)
}

// TestSharedLinkOrder: a message of a lower class is on the wire after one write of a higher
// class at most, however much waits there.
func TestSharedLinkOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each = time.Millisecond
		bus := NewBus(BusOptions{})
		shared := Share(paced{bus.Link(addrA, group), each})
		urgent := newSender(t, shared.Link(0), SenderOptions{SourcePort: 1001, Linger: each})
		bulk := newSender(t, shared.Link(1), SenderOptions{SourcePort: 1002, Linger: each})
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 4 {
			go func() {
				for {
					if _, err := bulk.Send(ctx, numbered(0, 1000)); err != nil {
						return
					}
				}
			}()
		}
		got := make(chan time.Time)
		go func() {
			for {
				m, err := r.Receive(ctx)
				if err != nil {
					return
				}
				if m.Source == urgent.TSI() {
					got <- time.Now()
				}
			}
		}()
		worst := time.Duration(0)
		for i := range 50 {
			time.Sleep(30*each + each/7*time.Duration(i))
			sent := time.Now()
			if _, err := urgent.Send(ctx, []byte("now")); err != nil {
				t.Fatal(err)
			}
			worst = max(worst, (<-got).Sub(sent))
		}
		t.Logf("longest wait of the lower class: %v", worst)
		if most := (turnDatagrams + 4) * each; worst > most {
			t.Errorf("a message of the lower class took %v, at most %v is due", worst, most)
		}
		if n := bulk.Stats().Packets; n < 500 {
			t.Errorf("the higher class sent only %d packets", n)
		}
	})
}

// TestSharedLink: senders on one link have their losses repaired, each its own, and end one
// by one; the last one closes the link.
func TestSharedLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{Seed: 3, Loss: 0.1})
		shared := Share(bus.Link(addrA, group))
		r := newReceiver(t, bus.Link(addrB, group), ReceiverOptions{})
		const count = 300
		senders := map[packet.TSI]*Sender{}
		for class := range 3 {
			s := newSender(t, shared.Link(class), SenderOptions{LateJoin: true})
			senders[s.TSI()] = s
		}
		newSender(t, shared.Link(0), SenderOptions{SourcePort: 77, GSI: packet.GSI{1}})
		if _, err := NewSender(shared.Link(0), SenderOptions{SourcePort: 77, GSI: packet.GSI{1}}); err == nil {
			t.Error("two senders of one link have the same TSI")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, s := range senders {
			go func() {
				sendAll(t, s, 0, count-1)
				s.Close(ctx)
			}()
		}
		next, ends := map[packet.TSI]int{}, 0
		for ends < len(senders) {
			m, err := r.Next(ctx)
			if end := new(EndError); errors.As(err, &end) {
				if next[end.Source] != count {
					t.Errorf("%s ended after %d", end.Source, next[end.Source])
				}
				ends++
				continue
			}
			if err != nil || string(m.Data[:8]) != string(numbered(next[m.Source], 8)) {
				t.Fatalf("%s: %x, %v, want %d", m.Source, m.Data, err, next[m.Source])
			}
			next[m.Source]++
		}
		for tsi, s := range senders {
			if st := s.Stats(); st.Repairs == 0 || st.Relayed > 0 {
				t.Errorf("%s: %d repairs, %d packets passed on", tsi, st.Repairs, st.Relayed)
			}
		}
	})
}

// TestSharedLinkCloses: the link is open until its last sender is closed, and Close ends
// all of them.
func TestSharedLinkCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := NewBus(BusOptions{})
		shared := Share(bus.Link(addrA, group))
		a := newSender(t, shared.Link(0), SenderOptions{Linger: time.Millisecond})
		b := newSender(t, shared.Link(1), SenderOptions{Linger: time.Millisecond})
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
		sendAll(t, b, 0, 5)
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := NewSender(shared.Link(0), SenderOptions{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a sender on a closed link: %v", err)
		}
		shared = Share(bus.Link(addrA, group))
		c := newSender(t, shared.Link(0), SenderOptions{Linger: time.Millisecond})
		if err := shared.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // for the next SPM
		if _, err := c.Send(t.Context(), []byte("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("sent on a closed link: %v", err)
		}
	})
}
