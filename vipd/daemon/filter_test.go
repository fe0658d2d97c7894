package daemon

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/multicast"
	"vipd/seal"
	"vipd/testlab/rig"
)

// filterTest is a path whose sockets have the filter, and who sends to it.
type filterTest struct {
	*testing.T
	path *path
	from *multicast.Conn
	to   netip.AddrPort
}

func newFilterTest(t *testing.T, ring *seal.Ring) *filterTest {
	lab := rig.Start(t)
	a, b := lab.Host("a"), lab.Host("b")
	lan := lab.Switch("lan")
	a.Plug(lan, "eth0", netip.MustParsePrefix("192.0.2.11/24"))
	b.Plug(lan, "eth0", netip.MustParsePrefix("192.0.2.12/24"))
	f := &filterTest{T: t, path: testPath(0, "192.0.2.12", "192.0.2.11"), to: netip.MustParseAddrPort("192.0.2.12:7000")}
	f.path.options.Apart, f.path.options.ReceiveBuffer = true, queueSize
	if err := f.path.setFilter(heartbeatFilter(ring, udpHeader)); err != nil {
		t.Fatal(err)
	}
	if err := b.Do(f.path.open); err != nil {
		t.Fatal(err)
	}
	conn := f.path.conn.Load()
	t.Cleanup(func() { conn.Close() })
	err := a.Do(func() (err error) {
		f.from, err = multicast.Open(multicast.Options{Local: netip.MustParseAddr("192.0.2.11")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.from.Close() })
	return f
}

// passes sends the datagram so often and counts how many are queued. A marker that
// always passes comes last.
func (f *filterTest) passes(datagram, marker []byte, times int) (n int) {
	f.Helper()
	batch := multicast.NewBatch(multicast.MaxBatch, mostDatagram+100)
	read := func(until time.Time) (ended bool) {
		got, _ := f.path.conn.Load().Unicast().Read(batch)
		for _, d := range batch[:max(got, 0)] {
			if slices.Equal(d.Data, marker) {
				return true
			}
			n++
		}
		if time.Now().After(until) {
			f.Fatal("the marker does not come")
		}
		return false
	}
	for range times {
		if err := f.from.Send(datagram, f.to); err != nil {
			f.Fatal(err)
		}
		if read(time.Now().Add(time.Minute)) {
			f.Fatal("the marker comes early")
		}
	}
	if err := f.from.Send(marker, f.to); err != nil {
		f.Fatal(err)
	}
	for until := time.Now().Add(20 * time.Second); !read(until); {
	}
	return n
}

// What this node can open passes the filter, the rest but for a sample not; the
// filter follows the ring, on sockets that are open and on those opened later.
func TestHeartbeatFilter(t *testing.T) {
	rings := map[string]*seal.Ring{}
	for name, keys := range map[string][]seal.Key{"1": {{1}}, "12": {{1}, {2}}, "2": {{2}}} {
		rings[name], _ = seal.NewRing("t", keys[0], keys[1:]...)
	}
	other, _ := seal.NewRing("other", seal.Key{1})
	stream := seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1, Session: 77}
	by := func(ring *seal.Ring, size int) []byte {
		return seal.NewSealer(ring, stream).Seal(nil, make([]byte, size))
	}
	changed := func(at int, to byte) []byte {
		datagram := by(rings["1"], 100)
		datagram[at] = to
		return datagram
	}
	stream.Kind++
	kind := by(rings["1"], 100)
	stream.Kind--
	f := newFilterTest(t, rings["1"])
	check := func(name string, datagram []byte, ring string, passes bool) {
		t.Helper()
		const times = 400
		marker := by(rings[ring], 7)
		n := f.passes(datagram, marker, times)
		if passes && n != times || !passes && (n == 0 || n > times/2) {
			t.Errorf("%s: %d of %d pass, want all: %v", name, n, times, passes)
		}
	}
	check("a heartbeat", by(rings["1"], 100), "1", true)
	check("the smallest", by(rings["1"], 0), "1", true)
	check("the largest", by(rings["1"], heartbeat.MaxSize), "1", true)
	check("nothing", nil, "1", false)
	check("one octet less than the smallest", by(rings["1"], 0)[1:], "1", false)
	check("too large", by(rings["1"], mostDatagram-seal.Overhead+1), "1", false)
	check("version 1", changed(seal.AtVersion, 1), "1", false)
	check("a later version", changed(seal.AtVersion, 3), "1", false)
	check("another kind", kind, "1", false)
	check("another cluster", by(other, 100), "1", false)
	check("another key", by(rings["2"], 100), "1", false)

	set := func(ring string) {
		if err := f.path.setFilter(heartbeatFilter(rings[ring], udpHeader)); err != nil {
			t.Fatal(err)
		}
	}
	set("12")
	check("the first of two keys", by(rings["1"], 100), "1", true)
	check("the second of two keys", by(rings["2"], 100), "2", true)
	check("none of two keys", changed(seal.AtKeyID, 9), "2", false)
	set("2")
	check("the new key alone", by(rings["2"], 100), "2", true)
	check("the old key", by(rings["1"], 100), "2", false)
}

// The kernel's count of what it dropped is in status.
func TestKernelDroppedIsCounted(t *testing.T) {
	ring, _ := seal.NewRing("t", seal.Key{1})
	f := newFilterTest(t, ring)
	marker := seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1, Session: 77}).Seal(nil, nil)
	passed := f.passes([]byte("junk"), marker, 200)
	d := &Daemon{paths: []*path{f.path, {}}}
	if n := d.kernelDropped(); n != uint64(200-passed) {
		t.Errorf("%d dropped of 200 of which %d passed", n, passed)
	}
}
