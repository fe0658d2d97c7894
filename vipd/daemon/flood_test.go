package daemon

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/multicast"
	"vipd/seal"
	"vipd/vipd/control"
	"vipd/vipd/node"
)

func TestAllowance(t *testing.T) {
	var a allowance
	now := clock.Instant(time.Hour)
	if !a.spend(refusedBurst, now) || a.spend(1, now) {
		t.Error("the burst is another")
	}
	if now = now.Add(refusedEvery); !a.spend(0, now) { // the debt is paid
		t.Error("nothing is gained")
	}
	if now = now.Add(4 * refusedEvery); !a.spend(4, now) || a.spend(1, now) {
		t.Error("four are gained in four times")
	}
	a.spend(1<<30, now) // a debt has an end
	if now = now.Add(refusedBurst * refusedEvery); !a.spend(0, now) {
		t.Error("the debt is not forgiven")
	}
}

// A socket that is flooded wakes the loop no more than once a pause; what comes by
// another one, what is told and the deadline are not kept waiting, and heartbeats
// among the junk arrive.
func TestFloodedSocketIsReadInBatches(t *testing.T) {
	ring, _ := seal.NewRing("t", seal.Key{1})
	f := newFilterTest(t, ring)
	sealer := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1, Session: 77})
	forged := sealer.Seal(nil, make([]byte, 200))
	forged[60] ^= 1
	var refused atomic.Int64
	in := &inbox{clocks: kernelClocks, opener: seal.NewOpener(ring, seal.Heartbeat),
		refuse: func(seal.Refusal, seal.Header, sender) { refused.Add(1) },
		bad:    func(_ uint8, _ sender, err error) { t.Error(err) }}
	events := make(chan any, 1)
	inlet, err := newInlet(kernelClocks, events, in, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer inlet.close()
	if err := inlet.hear(0, f.path.conn.Load()); err != nil {
		t.Fatal(err)
	}
	for range 3 * refusedBurst { // one at a time, so that no batch is full
		f.from.Send(forged, f.to)
		inlet.next(bootNow())
	}
	for until := bootNow().Add(10 * time.Second); len(inlet.paused) == 0 && bootNow() < until; {
		f.from.Send(forged, f.to)
		inlet.next(bootNow())
	}
	if len(inlet.paused) != 1 {
		t.Fatalf("%d sockets are paused, want the flooded one", len(inlet.paused))
	}
	deadline := bootNow().Add(20 * time.Millisecond)
	if ev := inlet.next(deadline); ev != (node.Tick{}) || bootNow() < deadline {
		t.Errorf("%v, want a tick", ev)
	}
	if len(inlet.paused) != 0 {
		t.Error("the pause does not end")
	}
	events <- "told"
	if ev := inlet.next(clock.Never); ev != "told" {
		t.Errorf("%v, want what was told", ev)
	}
	m := heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up}
	for seq := range uint64(50) {
		m.Seq = seq + 1
		for range refusedBurst {
			f.from.Send(forged, f.to)
		}
		f.from.Send(sealer.Seal(nil, m.Append(nil)), f.to)
		for until := bootNow().Add(10 * time.Second); ; {
			if r, ok := inlet.next(until).(heartbeat.Received); ok && r.Message.Seq == m.Seq {
				break
			} else if bootNow() > until {
				t.Fatalf("heartbeat %d is not heard", m.Seq)
			}
		}
	}
	f.path.close(inlet) // while it may be paused
	if ev := inlet.next(bootNow().Add(5 * longestPause)); ev != (node.Tick{}) {
		t.Errorf("%v, want a tick", ev)
	}
}

// BenchmarkReceive is what a datagram costs from the socket to its end, by what it is:
// read in batches, as a flood is.
func BenchmarkReceive(b *testing.B) {
	ring, _ := seal.NewRing("t", seal.Key{1})
	sealer := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 5, Session: 77})
	first := sealer.Seal(nil, make([]byte, 200))
	fresh := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 6, Session: 78}).Seal(nil, make([]byte, 200))
	fresh[40] ^= 1
	old := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 4, Session: 76}).Seal(nil, make([]byte, 200))
	forged := sealer.Seal(nil, make([]byte, 200))
	forged[100] ^= 1
	for _, c := range []struct {
		name     string
		datagram []byte
	}{{"junk", []byte("junk")}, {"replay", first}, {"old-start", old}, {"forged", forged}, {"forged-new-session", fresh}} {
		b.Run(c.name, func(b *testing.B) {
			d := blank(Options{Log: slog.New(slog.DiscardHandler)})
			d.now.Store(&cluster{})
			d.loop = &loop{journal: &journal{ring: control.NewJournal(), names: d.cluster, log: slog.New(slog.DiscardHandler)}}
			opener := seal.NewOpener(ring, seal.Heartbeat)
			opener.Open(nil, first)
			opener.Confirm(1, 77)
			in := &inbox{clocks: kernelClocks, opener: opener, refuse: d.refused}
			conn, err := multicast.Open(multicast.Options{Local: netip.MustParseAddr("127.0.0.1"), Apart: true, ReceiveBuffer: queueSize})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			to := conn.Unicast().Local()
			inlet, err := newInlet(kernelClocks, nil, in, func(int) {})
			if err != nil {
				b.Fatal(err)
			}
			defer inlet.close()
			if err := inlet.hear(0, conn); err != nil {
				b.Fatal(err)
			}
			batch := make([]multicast.Datagram, multicast.MaxBatch)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				for k := range batch {
					batch[k] = multicast.Datagram{Addr: to, Data: c.datagram}
				}
				if _, err := conn.Unicast().Write(batch); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				inlet.listen(1)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch)), "ns/datagram")
		})
	}
}
