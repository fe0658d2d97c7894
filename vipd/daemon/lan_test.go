package daemon

import (
	"bytes"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vipd/heartbeat"
	"vipd/host/boot"
	"vipd/multicast/ether"
	"vipd/seal"
	"vipd/testlab/rig"
	"vipd/vipd/config"
)

// lanTest is a daemon on host b that reads frames, and host a that sends them.
type lanTest struct {
	*testing.T
	lab    *rig.Lab
	a, b   *rig.Host
	d      *Daemon
	log    bytes.Buffer
	out    *outbox
	peer   *lanPath // of a
	number uint64   // of a's newest message
}

// newLANTest makes both; b's daemon has so many ordinary paths.
func newLANTest(t *testing.T, ordinary int) *lanTest {
	lab := rig.Start(t)
	l := &lanTest{T: t, lab: lab, a: lab.Host("a"), b: lab.Host("b"), peer: &lanPath{number: 5}}
	l.d = blank(Options{Log: slog.New(slog.NewTextHandler(&l.log, nil))})
	t.Cleanup(l.d.aside.End)
	l.d.lans = lanPaths(config.Node{Addresses: make([]netip.Addr, ordinary)})
	ring, _ := seal.NewRing("t", seal.Key{1})
	l.out = &outbox{lans: []*lanPath{l.peer}, sealer: seal.NewSealer(ring, seal.Stream{Kind: seal.Heartbeat, Sender: 1, Start: 1, Session: 77})}
	in := &inbox{Clocks: boot.Kernel, opener: seal.NewOpener(ring, seal.Heartbeat), refuse: func(r seal.Refusal, _ seal.Header, from sender) {
		if r != seal.ErrReplay {
			t.Errorf("refused: %v from %v", r, from)
		}
	}}
	var err error
	if l.d.inlet, err = newInlet(boot.Kernel, nil, in, func(int) {}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.d.inlet.close)
	t.Cleanup(func() {
		for _, p := range append(l.d.lans, l.peer) {
			p.close(nil)
		}
	})
	return l
}

// plug gives the host a card on the switch of that name.
func (l *lanTest) plug(h *rig.Host, lan, card string) (index int) {
	return h.Plug(l.lab.Switch(lan), card).Index()
}

// open has b's daemon keep paths on these interfaces.
func (l *lanTest) open(wanted ...int) {
	l.Helper()
	if err := l.b.Do(func() error { l.d.openLANs(wanted); return nil }); err != nil {
		l.Fatal(err)
	}
}

// on are the interfaces on which b's daemon has a path, by the paths' order.
func (l *lanTest) on() (list []int) {
	for _, p := range l.d.lans {
		if conn := p.conn.Load(); conn != nil {
			list = append(list, conn.Interface())
		}
	}
	return list
}

// sendFrom has a send on its interface from now on.
func (l *lanTest) sendFrom(index int) {
	l.Helper()
	l.peer.close(nil)
	err := l.a.Do(func() error {
		conn, err := ether.Open(ether.Options{Interface: index, EtherType: lanEtherType, Group: lanGroup})
		if err == nil {
			l.peer.conn.Store(conn)
		}
		return err
	})
	if err != nil {
		l.Fatal(err)
	}
}

// hears has a send until b's daemon hears it, and returns the path.
func (l *lanTest) hears() uint8 {
	l.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		l.number++
		l.out.Send(heartbeat.Send{Kind: heartbeat.Beat, LAN: true}, heartbeat.Message{Kind: heartbeat.Beat, State: heartbeat.Up, Seq: l.number})
		if r, ok := l.d.inlet.Next(boot.Now().Add(20 * time.Millisecond)).(heartbeat.Received); ok && r.Message.Seq == l.number {
			return r.Path
		}
	}
	l.Fatal("not heard")
	panic("unreachable")
}

// A path over the clients' network needs no address. It learns a peer's hardware address
// from its frames, is closed with its interface and comes back with it, as a new one.
func TestLANPathComesBackWithItsInterface(t *testing.T) {
	l := newLANTest(t, 2)
	l.sendFrom(l.plug(l.a, "lan", "eth0"))
	index := l.plug(l.b, "lan", "eth0")
	l.open(index)
	if path := l.hears(); path != 2 {
		t.Errorf("heard on path %d, want the first behind the ordinary ones", path)
	}
	if mac, ok := l.d.lans[0].address(1); !ok || !bytes.Equal(mac[:], l.a.Port("eth0").MAC()) {
		t.Errorf("the peer's hardware address is %x, %v", mac, ok)
	}
	link, err := l.b.Handle().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.b.Handle().LinkDel(link); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); len(l.on()) > 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		l.out.Send(heartbeat.Send{Kind: heartbeat.Beat, LAN: true}, heartbeat.Message{Kind: heartbeat.Beat, Seq: 1})
		l.open(index) // the number may be asked for as long as the hands have not seen it
	}
	if _, known := l.d.lans[0].address(1); len(l.on()) > 0 || known {
		t.Errorf("paths on %v, the peer's address known: %v", l.on(), known)
	}
	index = l.plug(l.b, "lan", "eth0")
	l.open(index)
	l.hears()
	l.open() // no shared address may be there any more
	if len(l.on()) != 0 {
		t.Errorf("paths on %v", l.on())
	}
}

// Where there are more interfaces than numbers of paths, those that come first have one,
// the others are named once, and a number that becomes free goes to the next.
func TestMoreInterfacesThanLANPaths(t *testing.T) {
	l := newLANTest(t, heartbeat.MaxPaths-2)
	var indexes []int
	for _, name := range []string{"eth0", "eth1", "eth2", "eth3"} {
		indexes = append(indexes, l.plug(l.b, name, name))
	}
	for range 3 {
		l.open(indexes...)
	}
	if got := l.on(); !slices.Equal(got, indexes[:2]) {
		t.Errorf("paths on %v, want %v", got, indexes[:2])
	}
	l.open(indexes[1:]...)
	if got := l.on(); !slices.Equal(got, []int{indexes[2], indexes[1]}) {
		t.Errorf("paths on %v, want %v in the place of %v", got, indexes[2], indexes[0])
	}
	l.d.aside.End()
	for text, want := range map[string]int{"clients' network on eth2, eth3: a node has": 1, "clients' network on eth3: a node has": 1} {
		if n := strings.Count(l.log.String(), text); n != want {
			t.Errorf("%q is said %d times, want %d: %s", text, n, want, &l.log)
		}
	}
}

// A message goes over the clients' network when it is told to, to the group and to each
// peer whose hardware address is known; an answer goes where its question came from, to
// that peer alone.
func TestWhatGoesOverTheClientsNetwork(t *testing.T) {
	l := newLANTest(t, 1)
	l.sendFrom(l.plug(l.a, "lan", "eth0"))
	l.open(l.plug(l.b, "lan", "eth0"))
	l.hears()
	conn := l.d.lans[0].conn.Load()
	for _, c := range []struct {
		name  string
		say   heartbeat.Send
		knows bool // a knows b's hardware address
		want  int  // frames
	}{
		{"a beat when all is well", heartbeat.Send{Kind: heartbeat.Beat}, true, 0},
		{"an answer to an ordinary path", heartbeat.Send{Kind: heartbeat.Reply, To: 2, Path: 0}, true, 0},
		{"a beat in trouble", heartbeat.Send{Kind: heartbeat.Beat, LAN: true}, false, 1},
		{"a beat in trouble, by unicast too", heartbeat.Send{Kind: heartbeat.Beat, LAN: true}, true, 2},
		{"an ask", heartbeat.Send{Kind: heartbeat.Query, To: 2, LAN: true}, true, 2},
		{"an ask of another", heartbeat.Send{Kind: heartbeat.Query, To: 3, LAN: true}, true, 1},
		{"an answer", heartbeat.Send{Kind: heartbeat.Reply, To: 2, Path: 5}, true, 1},
		{"an answer to one that is not known", heartbeat.Send{Kind: heartbeat.Reply, To: 2, Path: 5}, false, 1},
	} {
		l.peer.known[2].Store(0)
		if c.knows {
			l.peer.learn(2, [6]byte(l.b.Port("eth0").MAC()))
		}
		frames(conn, l.d.inlet, 0)
		l.out.Send(c.say, heartbeat.Message{Kind: c.say.Kind, Seq: 1})
		if err := l.peer.conn.Load().SendGroup([]byte("end")); err != nil {
			t.Fatal(err)
		}
		if n := frames(conn, l.d.inlet, 10*time.Second); n != c.want {
			t.Errorf("%s: %d frames, want %d", c.name, n, c.want)
		}
	}
}

// frames reads what the socket has, up to a frame that says so, and returns how many came.
func frames(conn *ether.Socket, in *inlet, within time.Duration) (n int) {
	for end := time.Now().Add(within); ; time.Sleep(time.Millisecond) {
		got, err := conn.Read(in.batch)
		for _, d := range in.batch[:got] {
			if string(d.Data) == "end" {
				return n
			}
			n++
		}
		if err != nil && time.Now().After(end) {
			return n
		}
	}
}
