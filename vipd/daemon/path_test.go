package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/multicast"
	"vipd/seal"
	"vipd/testlab/rig"
)

func testPath(number int, self, peer string) *path {
	group := netip.MustParseAddrPort("239.192.77.1:7000")
	return &path{number: number, peers: map[uint8]netip.AddrPort{2: netip.AddrPortFrom(netip.MustParseAddr(peer), 7000)},
		options: multicast.Options{Local: netip.MustParseAddr(self), Port: 7000, Group: group, TTL: 1}}
}

// A message crosses the wire to the group and to the peer; after the interface
// was made anew on one side it does again.
func TestPathComesBackWithItsInterface(t *testing.T) {
	lab := rig.Start(t)
	a, b := lab.Host("a"), lab.Host("b")
	lan := lab.Switch("lan")
	a.Plug(lan, "eth0", netip.MustParsePrefix("192.0.2.11/24"))
	b.Plug(lan, "eth0", netip.MustParsePrefix("192.0.2.12/24"))
	from, to := testPath(0, "192.0.2.11", "192.0.2.12"), testPath(0, "192.0.2.12", "192.0.2.11")
	if err := errors.Join(a.Do(from.open), b.Do(to.open)); err != nil {
		t.Fatal(err)
	}
	defer from.conn.Load().Close()
	ring, _ := seal.NewRing("t", seal.Key{1})
	out := &outbox{paths: []*path{from}, sealer: seal.NewSealer(ring, 1, 77)}
	events := make(chan any, 64)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	ended := make(chan struct{})
	defer func() { stop(); <-ended }()
	in := &inbox{clocks: kernelClocks, opener: seal.NewOpener(ring), events: events, done: ctx.Done(),
		refuse: func(r seal.Refusal, _ seal.Header, _ netip.AddrPort) {
			if r != seal.ErrReplay { // of the first two, the one sent first may come second
				t.Errorf("refused: %v", r)
			}
		}, bad: func(_ uint8, err error) { t.Error(err) }}
	go b.Do(func() error { // the path opens its sockets on this thread
		defer close(ended)
		to.run(ctx, in, slog.New(slog.DiscardHandler))
		return nil
	})
	hear(t, ctx, out, in, events)

	if link, err := b.Handle().LinkByName("eth0"); err != nil || b.Handle().LinkDel(link) != nil {
		t.Fatalf("can't take the interface away: %v", err)
	}
	for to.conn.Load() != nil && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	b.Plug(lan, "eth0", netip.MustParsePrefix("192.0.2.12/24"))
	for len(events) > 0 {
		<-events
	}
	hear(t, ctx, out, in, events)
}

// hear sends until one send has come both to the group and to the peer's address:
// one copy is handed on, the other counted.
func hear(t *testing.T, ctx context.Context, out *outbox, in *inbox, events <-chan any) {
	t.Helper()
	for seq := in.copies() + 1000; ; seq++ {
		before := in.copies()
		out.send(heartbeat.Say{Kind: heartbeat.Beat}, heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up, Seq: seq})
		heard := false
		for wait := time.After(50 * time.Millisecond); wait != nil && !(heard && in.copies() > before); {
			select {
			case <-events:
				heard = true
			case <-time.After(time.Millisecond):
			case <-wait:
				wait = nil
			case <-ctx.Done():
				t.Fatal("not heard")
			}
		}
		if heard && in.copies() > before {
			return
		}
	}
}

// An answer goes out on the path alone on which the question came, to one peer.
func TestAnAnswerTakesOnePath(t *testing.T) {
	lab := rig.Start(t)
	a, b := lab.Host("a"), lab.Host("b")
	for i, net := range []string{"192.0.2", "198.51.100"} {
		lan := lab.Switch(net)
		name := []string{"eth0", "eth1"}[i]
		a.Plug(lan, name, netip.MustParsePrefix(net+".11/24"))
		b.Plug(lan, name, netip.MustParsePrefix(net+".12/24"))
	}
	out := &outbox{}
	var ears []*multicast.Conn
	for i, net := range []string{"192.0.2", "198.51.100"} {
		p := testPath(i, net+".11", net+".12")
		ear := testPath(i, net+".12", net+".11")
		if err := errors.Join(a.Do(p.open), b.Do(ear.open)); err != nil {
			t.Fatal(err)
		}
		defer p.conn.Load().Close()
		out.paths, ears = append(out.paths, p), append(ears, ear.conn.Load())
	}
	ring, _ := seal.NewRing("t", seal.Key{1})
	out.sealer = seal.NewSealer(ring, 1, 77)
	out.send(heartbeat.Say{Kind: heartbeat.Answer, To: 2, Path: 1}, heartbeat.Message{Kind: heartbeat.Answer, State: heartbeat.Up, Seq: 1})
	got := make(chan int)
	for i, ear := range ears {
		go func() {
			if n, err := ear.Unicast().Read(multicast.NewBatch(4, 2048)); err == nil && n > 0 {
				got <- i
			}
		}()
	}
	if i := <-got; i != 1 {
		t.Errorf("came on path %d, want 1", i)
	}
	for _, ear := range ears {
		ear.Close()
	}
	select {
	case i := <-got:
		t.Errorf("came on path %d too", i)
	default:
	}
}
