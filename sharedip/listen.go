package sharedip

import (
	"context"
	"fmt"
	"net/netip"
	"time"
	"vipd/sharedip/neighbor"
)

const (
	// burstMost frames are read within burstTime, and no more: whoever floods the
	// LAN with claims must not have this host's processor. The rest is dropped by
	// the kernel, when the socket is full.
	burstMost = 512
	burstTime = 50 * time.Millisecond
	// tuneGap is the least time between two changes of the sniffer's filter that
	// can wait.
	tuneGap = 10 * time.Millisecond
)

// readTap gives every frame of t to take until ctx ends.
func (h *AddressManager) readTap(ctx context.Context, t *neighbor.FrameReader, take func(neighbor.ReceivedFrame, time.Time)) error {
	var begun time.Time
	for n := 0; ; n++ {
		a, err := t.Receive()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch the LAN: %w", err)
		}
		now := time.Now()
		take(a, now)
		switch {
		case now.Sub(begun) >= burstTime:
			begun, n = now, 0
		case n >= burstMost:
			pause(ctx, burstTime-now.Sub(begun))
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// readClaims reads what others say of the shared addresses.
func (h *AddressManager) readClaims(ctx context.Context) error {
	return h.readTap(ctx, h.frameReader, func(a neighbor.ReceivedFrame, now time.Time) {
		h.counters.seen.Add(1)
		if s, ok := neighbor.Parse(a); ok {
			h.emit(h.observed(s, now))
		}
	})
}

// readTraffic reads the first frame that each interface hears.
func (h *AddressManager) readTraffic(ctx context.Context) error {
	return h.readTap(ctx, h.trafficReader, h.noteTraffic)
}

// listenFor lets answers of the neighbours pass the sniffer, at once if new.
func (h *AddressManager) listenFor(neighbours []netip.Addr) {
	added := false
	for _, a := range neighbours {
		if !h.listened[a] && len(h.listened) < maxListened {
			h.listened[a], added = true, true
		}
	}
	if added {
		h.tune(time.Now())
	}
}

// retune changes the sniffer's filter if that is due, and returns when it will be.
func (h *AddressManager) retune(now time.Time) (next time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.untuned:
		return time.Time{}
	case now.Sub(h.tuned) < tuneGap:
		return h.tuned.Add(tuneGap)
	}
	h.tune(now)
	return time.Time{}
}

// tune makes the sniffer pass what is of interest now. A filter that the kernel
// refuses is tried again by Run.
func (h *AddressManager) tune(now time.Time) {
	i := neighbor.Filter{Peers: h.nodes.addrs}
	for s, o := range h.owners {
		i.Shared = append(i.Shared, s.Addr)
		if o.place.announcer.Passive() {
			i.Passive = append(i.Passive, s.Addr)
		}
	}
	for a := range h.listened {
		i.Provers = append(i.Provers, a)
	}
	h.untuned, h.tuned = h.frameReader.SetFilter(i.Program()) != nil, now
}
