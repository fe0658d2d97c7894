package daemon

import (
	"log/slog"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/multicast"
	"vipd/multicast/ether"
	"vipd/seal"
	"vipd/testlab/rig"
	"vipd/token"
	"vipd/vipd/control"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/observe"
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
	in := &inbox{Clocks: boot.Kernel, opener: seal.NewOpener(ring, seal.Heartbeat),
		refuse: func(seal.Refusal, seal.Header, sender) { refused.Add(1) },
		bad:    func(_ uint8, _ sender, err error) { t.Error(err) }}
	events := make(chan any, 1)
	inlet, err := newInlet(boot.Kernel, events, in, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer inlet.close()
	if err := inlet.hear(0, f.path.conn.Load()); err != nil {
		t.Fatal(err)
	}
	for range 3 * refusedBurst { // one at a time, so that no batch is full
		f.from.Send(forged, f.to)
		inlet.Next(boot.Now())
	}
	for until := boot.Now().Add(10 * time.Second); len(inlet.paused) == 0 && boot.Now() < until; {
		f.from.Send(forged, f.to)
		inlet.Next(boot.Now())
	}
	if len(inlet.paused) != 1 {
		t.Fatalf("%d sockets are paused, want the flooded one", len(inlet.paused))
	}
	for until := boot.Now().Add(10 * time.Second); len(inlet.paused) != 0 && boot.Now() < until; {
		deadline := boot.Now().Add(20 * time.Millisecond)
		if ev := inlet.Next(deadline); ev != (node.Tick{}) || boot.Now() < deadline {
			t.Errorf("%v, want a tick", ev)
		}
	}
	if len(inlet.paused) != 0 {
		t.Error("the pause does not end")
	}
	events <- "told"
	if ev := inlet.Next(clock.Never); ev != "told" {
		t.Errorf("%v, want what was told", ev)
	}
	m := heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up}
	for seq := range uint64(50) {
		m.Seq = seq + 1
		for range refusedBurst {
			f.from.Send(forged, f.to)
		}
		f.from.Send(sealer.Seal(nil, m.Append(nil)), f.to)
		for until := boot.Now().Add(10 * time.Second); ; {
			if r, ok := inlet.Next(until).(heartbeat.Received); ok && r.Message.Seq == m.Seq {
				break
			} else if boot.Now() > until {
				t.Fatalf("heartbeat %d is not heard", m.Seq)
			}
		}
	}
	f.path.close(inlet) // while it may be paused
	if ev := inlet.Next(boot.Now().Add(5 * longestPause)); ev != (node.Tick{}) {
		t.Errorf("%v, want a tick", ev)
	}
}

// flooded is a datagram of a flood, by what it is.
type flooded struct {
	name     string
	datagram []byte
}

// floods are the datagrams of BenchmarkReceive, and the first of the live session.
func floods(ring *seal.Ring) (first []byte, list []flooded) {
	sealer := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 5, Session: 77})
	first = sealer.Seal(nil, make([]byte, 200))
	fresh := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 6, Session: 78}).Seal(nil, make([]byte, 200))
	fresh[40] ^= 1
	old := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 4, Session: 76}).Seal(nil, make([]byte, 200))
	forged := sealer.Seal(nil, make([]byte, 200))
	forged[100] ^= 1
	return first, []flooded{{"junk", []byte("junk")}, {"replay", first}, {"old-start", old}, {"forged", forged}, {"forged-new-session", fresh}}
}

// floodedInlet is an inlet with what a flood meets, and without a filter.
func floodedInlet(b *testing.B, ring *seal.Ring, first []byte) *inlet {
	d := blank(Options{Log: slog.New(slog.DiscardHandler)})
	d.now.Store(&cluster.View{})
	names := d.cluster
	d.loop = &loop{journal: observe.NewJournal(control.NewJournal(), names, nil, slog.New(slog.DiscardHandler)),
		machine: node.New(node.Config{Config: token.Config{Interval: 50 * time.Millisecond, Dead: 150 * time.Millisecond}}, boot.Now())}
	opener := seal.NewOpener(ring, seal.Heartbeat)
	opener.Open(nil, first)
	opener.Confirm(1, 77)
	in, err := newInlet(boot.Kernel, nil, &inbox{Clocks: boot.Kernel, opener: opener, refuse: d.refused}, func(int) {})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(in.close)
	return in
}

// receive measures the reading of what fill puts into the socket, a whole batch each time.
func receive(b *testing.B, in *inlet, fill func()) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		fill()
		b.StartTimer()
		in.listen(1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*multicast.MaxBatch), "ns/datagram")
}

// BenchmarkReceive is what a datagram costs from the socket to its end, by what it is:
// read in batches, as a flood is.
func BenchmarkReceive(b *testing.B) {
	ring, _ := seal.NewRing("t", seal.Key{1})
	first, list := floods(ring)
	for _, c := range list {
		b.Run(c.name, func(b *testing.B) {
			conn, err := multicast.Open(multicast.Options{Local: netip.MustParseAddr("127.0.0.1"), Apart: true, ReceiveBuffer: queueSize})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			to := conn.Unicast().Local()
			in := floodedInlet(b, ring, first)
			if err := in.hear(0, conn); err != nil {
				b.Fatal(err)
			}
			batch := make([]multicast.Datagram, multicast.MaxBatch)
			receive(b, in, func() {
				for k := range batch {
					batch[k] = multicast.Datagram{Addr: to, Data: c.datagram}
				}
				if _, err := conn.Unicast().Write(batch); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkReceiveFrame is the same of frames on the clients' network.
func BenchmarkReceiveFrame(b *testing.B) {
	ring, _ := seal.NewRing("t", seal.Key{1})
	first, list := floods(ring)
	for _, c := range list {
		b.Run(c.name, func(b *testing.B) {
			from, to := frameSockets(b)
			in := floodedInlet(b, ring, first)
			if err := in.hearLAN(&lanPath{number: 1, name: "eth0"}, to); err != nil {
				b.Fatal(err)
			}
			receive(b, in, func() {
				for range multicast.MaxBatch {
					if err := from.SendGroup(c.datagram); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// frameSockets are two hosts' sockets on one clients' network.
func frameSockets(t testing.TB) (a, b *ether.Socket) {
	lab := rig.Start(t)
	open := func(name string) (s *ether.Socket) {
		h := lab.Host(name)
		port := h.Plug(lab.Switch("lan"), "eth0")
		err := h.Do(func() (err error) {
			s, err = ether.Open(ether.Options{Interface: port.Index(), EtherType: lanEtherType, Group: lanGroup, ReceiveBuffer: queueSize})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	return open("a"), open("b")
}
