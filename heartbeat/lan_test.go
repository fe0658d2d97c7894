package heartbeat

import (
	"testing"
	"time"

	"vipd/heartbeat/clock"
)

// lanConfig has two ordinary paths, 0 and 1, and one over the clients' network, 2.
var lanConfig = Config{Self: 1, Session: ours, Peers: []uint8{2}, Interval: 50 * ms, Dead: 150 * ms, Lease: 120 * ms, Paths: 2, LANs: 1}

// patience is how long a peer may be unheard before the clients' network is used.
const patience = 60 * ms

// lanWorld steps a machine whose peers beat every interval.
type lanWorld struct {
	m    *Machine
	seq  uint64
	beat func(now time.Duration) []lanBeat // of the peers, at an interval's end
}

// lanBeat is one peer's beat.
type lanBeat struct {
	from    uint8
	path    uint8
	hears   uint8 // the paths on which it hears us
	pending bool  // by a session of ours that has not proved itself to it
}

func (w *lanWorld) receive(now clock.Instant, b lanBeat) {
	w.seq++
	m := &Message{Kind: Beat, State: Up, Seq: w.seq, Sent: clock.Instant(w.seq), Revision: 1, Pages: 1,
		Echoes: []PeerEcho{{Slot: 1, Session: ours, Sent: now.Add(-ms), Paths: b.hears, Pending: b.pending}}}
	w.m.Step(now, Received{From: b.from, Session: theirs + uint64(b.from), Start: 8, Path: b.path, Arrived: now, Message: m})
}

// spans plays so long and returns, in milliseconds, when the clients' network began and
// ceased to be used. The start is left out, in which no peer has been heard.
func (w *lanWorld) spans(start, long time.Duration) (list []int) {
	was := false
	for since := time.Duration(0); since <= long; since += ms {
		now := at(since)
		if since%(50*ms) == 0 {
			for _, b := range w.beat(since) {
				w.receive(now, b)
			}
		}
		w.m.Step(now, Tick{})
		if on := w.m.LAN(now); on != was && since >= start {
			list, was = append(list, int(since/ms)), on
		}
	}
	return list
}

// The clients' network carries beats while some peer is not heard, or does not hear us, on
// any ordinary path, from 1.2 intervals on and for a dead time after the end; and never
// while all is well.
func TestBeatsOnTheClientsNetwork(t *testing.T) {
	well := lanBeat{from: 2, hears: 0b11}
	trouble := func(now time.Duration) bool { return now > 500*ms && now <= 1000*ms }
	// After the beat at 500 ms the next good one comes at 1050 ms.
	began, ended := 500+int(patience/ms), 1050+149
	for _, c := range []struct {
		name   string
		change func(c *Config)
		in     []lanBeat // what comes in trouble
		out    []lanBeat // and what otherwise; nil: the peer's beat, as if all is well
		want   []int
	}{
		{name: "all is well", in: []lanBeat{well}},
		{name: "one ordinary path works", in: []lanBeat{{from: 2, path: 1, hears: 0b10}}},
		{name: "each hears the other on another path", in: []lanBeat{{from: 2, path: 1, hears: 0b01}}},
		{name: "unheard", want: []int{began, ended}},
		{name: "heard over the clients' network alone", in: []lanBeat{{from: 2, path: 2, hears: 0b11}}, want: []int{began, ended}},
		{name: "it does not hear us", in: []lanBeat{{from: 2, hears: 0}}, want: []int{began, ended}},
		{name: "it hears us over the clients' network alone", in: []lanBeat{{from: 2, hears: 0b100}}, want: []int{began, ended}},
		{name: "it hears a session of ours that may be a recording", in: []lanBeat{{from: 2, hears: 0b11, pending: true}}, want: []int{began, ended}},
		{name: "one of two peers", change: func(c *Config) { c.Peers = []uint8{2, 3} },
			in: []lanBeat{well}, out: []lanBeat{well, {from: 3, hears: 0b01}}, want: []int{began, ended}},
		{name: "there is no such path", change: func(c *Config) { c.LANs = 0 }},
	} {
		config := lanConfig
		if c.change != nil {
			c.change(&config)
		}
		w := lanWorld{m: New(config, at(0)), beat: func(now time.Duration) []lanBeat {
			switch {
			case trouble(now):
				return c.in
			case c.out != nil:
				return c.out
			}
			return []lanBeat{well}
		}}
		got := w.spans(200*ms, 2*time.Second)
		if len(got) != len(c.want) {
			t.Errorf("%s: used from and to %v ms, want %v", c.name, got, c.want)
			continue
		}
		for i := range got {
			if d := got[i] - c.want[i]; d < -1 || d > 1 {
				t.Errorf("%s: used from and to %v ms, want %v", c.name, got, c.want)
				break
			}
		}
	}
}

// A node that has heard nobody yet uses the clients' network from its start on: a peer may
// be there whose other paths are cut.
func TestClientsNetworkFromTheStart(t *testing.T) {
	silent := lanWorld{m: New(lanConfig, at(0)), beat: func(time.Duration) []lanBeat { return nil }}
	if got := silent.spans(0, time.Second); len(got) != 1 || got[0] != 0 {
		t.Errorf("used from and to %v ms, want from 0 on", got)
	}
	heard := lanWorld{m: New(lanConfig, at(0)), beat: func(now time.Duration) []lanBeat {
		if now < 100*ms {
			return nil
		}
		return []lanBeat{{from: 2, hears: 0b11}}
	}}
	if got := heard.spans(0, time.Second); len(got) != 2 || got[0] != 0 || got[1] < 248 || got[1] > 251 {
		t.Errorf("used from and to %v ms, want from 0 to 250", got)
	}
}

// What asks a silent peer goes over the clients' network too; a beat that came over it is
// none that an ordinary path lost, and is answered where it came.
func TestAskOverTheClientsNetwork(t *testing.T) {
	w := lanWorld{m: New(lanConfig, at(0))}
	w.receive(at(0), lanBeat{from: 2, hears: 0b11})
	asked := false
	for now := at(0); now < at(100*ms); now = w.m.Deadline() {
		if say, ok := find[Send](w.m.Step(now, Tick{})); ok && say.Kind == Query {
			asked = true
			if !say.LAN {
				t.Errorf("asked at %v without the clients' network", now)
			}
		}
	}
	if !asked {
		t.Fatal("not asked")
	}
	w.seq += 5
	w.receive(at(100*ms), lanBeat{from: 2, path: 2, hears: 0b11})
	if p := w.m.Peer(2); p.Paths[2].Loss() != 0 || p.Paths[2].Heard == 0 {
		t.Errorf("path 2: %+v", p.Paths[2])
	}
	w.seq++
	m := &Message{Kind: Query, State: Up, Seq: w.seq, Sent: clock.Instant(w.seq), Echoes: []PeerEcho{{Slot: 1, Session: ours, Sent: at(100 * ms)}}}
	say, ok := find[Send](w.m.Step(at(101*ms), Received{From: 2, Session: theirs + 2, Start: 8, Path: 2, Arrived: at(101 * ms), Message: m}))
	if !ok || say.Kind != Reply || say.Path != 2 {
		t.Errorf("answered by %+v", say)
	}
}
