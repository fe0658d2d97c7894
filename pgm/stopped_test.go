package pgm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"vipd/pgm/window"
	"vipd/testlab/rig"
)

// TestStoppedForTwoSeconds stops a receiver, or cuts its cable, for two seconds
// while its sender's window would be passed over many times. Known to the
// sender it gets everything; else exactly one event for each hole, with the
// exact count. Either way it goes on.
func TestStoppedForTwoSeconds(t *testing.T) {
	for _, known := range []bool{true, false} {
		for _, cut := range []bool{true, false} {
			t.Run(fmt.Sprintf("known %v, cable cut %v", known, cut), func(t *testing.T) {
				t.Parallel()
				stopReceiver(t, known, cut)
			})
		}
	}
}

func stopReceiver(t *testing.T, known, cut bool) {
	const count, from = 8000, 1000
	l := newLAN(t)
	l.sw.Drop(rig.Fault{PerMille: 10})
	ro := ReceiverOptions{Window: window.ReceiveConfig{Packets: 256}}
	so := SenderOptions{Window: 256, Rate: 1.5e6, Linger: 2 * time.Second}
	if known {
		ro.Flow = netip.MustParseAddrPort("10.0.0.2:7501")
		so.Receivers = []netip.AddrPort{ro.Flow}
	}
	r := l.receiver(ways[0], l.b, 2, ro)
	s := l.sender(ways[0], l.a, 1, so)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		for i := range count {
			if _, err := s.Send(ctx, numbered(i, 500)); err != nil {
				t.Errorf("send %d: %v", i, err)
				return
			}
		}
		s.Close(context.Background())
	}()
	h := hearing{t: t, r: r}
	for h.next < from {
		h.one(ctx)
	}
	if cut {
		undo := l.sw.Drop(rig.Fault{})
		time.AfterFunc(2*time.Second, undo)
	} else {
		time.Sleep(2 * time.Second)
	}
	for !h.ended {
		h.one(ctx)
	}
	t.Logf("%d lost in %d holes; the sender waited %d times", h.lost, h.holes, s.Stats().Blocked)
	switch {
	case h.next != count:
		t.Errorf("ended at %d of %d", h.next, count)
	case known && h.holes > 0:
		t.Errorf("%d lost though the sender knows the receiver", h.lost)
	case !known && h.lost < 256:
		t.Errorf("only %d lost: it was not stopped", h.lost)
	}
}

// hearing follows one session and wants each number either as a message or in
// one hole.
type hearing struct {
	t           *testing.T
	r           *Receiver
	next        int
	lost, holes int
	inHole      bool // the result before was a hole
	ended       bool
}

func (h *hearing) one(ctx context.Context) {
	m, err := h.r.Next(ctx)
	var loss *LossError
	var end *EndError
	switch {
	case errors.As(err, &loss):
		if int(loss.First) != h.next || loss.Count() != int(loss.Last-loss.First)+1 || h.inHole {
			h.t.Fatalf("at %d, after a hole %v: %v", h.next, h.inHole, err)
		}
		h.next += loss.Count()
		h.lost += loss.Count()
		h.holes++
		h.inHole = true
	case errors.As(err, &end):
		h.ended = true
	case err != nil:
		h.t.Fatalf("at %d: %v\n%+v", h.next, err, h.r.Stats())
	case int(binary.BigEndian.Uint64(m.Data)) != h.next:
		h.t.Fatalf("message %d, want %d", binary.BigEndian.Uint64(m.Data), h.next)
	default:
		h.next++
		h.inHole = false
	}
}
