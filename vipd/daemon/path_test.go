package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/host/boot"
	"vipd/multicast"
	"vipd/seal"
	"vipd/testlab/rig"
	"vipd/vipd/node"
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
	from.options.Apart, to.options.Apart = true, true
	if err := errors.Join(a.Do(from.open), b.Do(to.open)); err != nil {
		t.Fatal(err)
	}
	defer from.conn.Load().Close()
	ring, _ := seal.NewRing("t", seal.Key{1})
	out := &outbox{paths: []*path{from}, sealer: seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1, Session: 77})}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	ended := make(chan struct{})
	defer func() { stop(); <-ended }()
	in := &inbox{Clocks: boot.Kernel, opener: seal.NewOpener(ring, seal.Heartbeat),
		refuse: func(r seal.Refusal, _ seal.Header, _ sender) {
			if r != seal.ErrReplay { // of the first two, the one sent first may come second
				t.Errorf("refused: %v", r)
			}
		}, bad: func(_ uint8, _ sender, err error) { t.Error(err) }}
	inlet, err := newInlet(boot.Kernel, nil, in, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer inlet.close()
	if err := inlet.hear(to.number, to.conn.Load()); err != nil {
		t.Fatal(err)
	}
	go b.Do(func() error { // the path opens its sockets on this thread
		defer close(ended)
		d := blank(Options{Log: slog.New(slog.DiscardHandler)})
		d.paths, d.inlet = []*path{to}, inlet
		d.tendPaths(ctx)
		return nil
	})
	hear(t, ctx, out, inlet)
	late(t, out, inlet)
	spared(t, ctx, out, inlet)

	if link, err := b.Handle().LinkByName("eth0"); err != nil || b.Handle().LinkDel(link) != nil {
		t.Fatalf("can't take the interface away: %v", err)
	}
	for to.conn.Load() != nil && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	b.Plug(lan, "eth0", netip.MustParsePrefix("192.0.2.12/24"))
	hear(t, ctx, out, inlet)
}

// hear sends until one send has come both to the group and to the peer's address:
// one copy is handed on, the other counted.
func hear(t *testing.T, ctx context.Context, out *outbox, in *inlet) {
	t.Helper()
	for seq := in.inbox.repeated + 1000; ctx.Err() == nil; seq++ {
		before := in.inbox.repeated
		out.Send(heartbeat.Send{Kind: heartbeat.Beat}, heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up, Seq: seq})
		heard := false
		for until := boot.Now().Add(50 * time.Millisecond); boot.Now() < until; {
			if _, message := in.Next(until).(heartbeat.Received); message {
				heard = true
			}
			if heard && in.inbox.repeated > before {
				return
			}
		}
	}
	t.Fatal("not heard")
}

// late has a loop run late: what came meanwhile is heard before the deadline that has
// passed.
func late(t *testing.T, out *outbox, in *inlet) {
	t.Helper()
	for in.Next(1) != (node.Tick{}) { // what hear has left
	}
	out.Send(heartbeat.Send{Kind: heartbeat.Beat}, heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up, Seq: 1 << 20})
	time.Sleep(20 * time.Millisecond) // it crosses the wire
	if ev, ok := in.Next(1).(heartbeat.Received); !ok {
		t.Errorf("%v comes before what was heard", ev)
	}
}

// spared sends a beat whose copy to the group is spared, and one as usual behind it: the first
// comes once.
func spared(t *testing.T, ctx context.Context, out *outbox, in *inlet) {
	t.Helper()
	const first = 1 << 21
	for in.Next(1) != (node.Tick{}) { // what was left
	}
	before, came := in.inbox.repeated, map[uint64]int{}
	for seq := range uint64(2) {
		out.Send(heartbeat.Send{Kind: heartbeat.Beat, Spare: seq == 0}, heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up, Seq: first + seq})
		for ctx.Err() == nil && (came[first+seq] == 0 || seq == 1 && in.inbox.repeated == before) {
			if r, message := in.Next(boot.Now().Add(50 * time.Millisecond)).(heartbeat.Received); message {
				came[r.Message.Seq]++
			}
		}
	}
	if came[first] != 1 || came[first+1] != 1 || in.inbox.repeated != before+1 {
		t.Errorf("came %v, and %d second copies", came, in.inbox.repeated-before)
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
	out.sealer = seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1, Session: 77})
	out.Send(heartbeat.Send{Kind: heartbeat.Reply, To: 2, Path: 1}, heartbeat.Message{Kind: heartbeat.Reply, State: heartbeat.Up, Seq: 1})
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
