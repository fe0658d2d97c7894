package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/seal"
	"vipd/testlab/standin"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/leasing"
	"vipd/vipd/daemon/preflight"
	"vipd/vipd/daemon/state"
)

// A pair of daemons in virtual time: everything is real but the sockets, the
// kernel's addresses and the clocks.

const pairConfig = `cluster = "t"
key_file = "/nowhere"
[node.hist-a]
addresses = ["192.0.2.11"]
priority = 200
[node.hist-b]
addresses = ["192.0.2.12"]
priority = 100
[vip.front]
address = "192.0.2.10/24"
`

const front = "vip:front"

// pair is two hosts and the wire between them.
type pair struct {
	t     *testing.T
	start time.Time
	a, b  *host

	mu  sync.Mutex
	cut bool
}

// host is one machine: what outlives its daemon.
type host struct {
	pair  *pair
	name  string
	dir   string
	hands *standin.Addresses

	d       *Daemon
	live    atomic.Pointer[Daemon] // the same, for the wire
	journal *control.Journal
	stop    context.CancelFunc
	end     chan error

	mu      sync.Mutex
	denied  error // what the kernel says to a change of addresses
	sent    []said
	arrived time.Time // newest message that the other sent of itself
}

type said struct {
	at time.Time
	m  *heartbeat.Message
}

// newPair starts both hosts; it must be called in a bubble.
func newPair(t *testing.T, text string) *pair {
	p := &pair{t: t, start: time.Now()}
	p.a, p.b = p.host("hist-a", text), p.host("hist-b", text)
	for _, h := range []*host{p.a, p.b} {
		h.boot()
		h.d.tell(token.NetworkForwarding{})
	}
	t.Cleanup(p.close)
	return p
}

func (p *pair) close() {
	for _, h := range []*host{p.a, p.b} {
		h.kill()
	}
}

func (p *pair) host(name, text string) *host {
	h := &host{pair: p, name: name, dir: p.t.TempDir(), hands: &standin.Addresses{Up: map[string]bool{}}}
	h.write(text)
	return h
}

func (h *host) write(text string) {
	if err := os.WriteFile(filepath.Join(h.dir, "vipd.toml"), []byte(text), 0o600); err != nil {
		h.pair.t.Fatal(err)
	}
}

func (p *pair) clocks() boot.Clocks {
	return boot.Clocks{
		Now:  func() clock.Instant { return clock.Instant(time.Second + time.Since(p.start)) },
		Wall: func() clock.Wall { return clock.Wall(time.Now().UnixNano()) },
	}
}

// boot starts the host's daemon, as Run does.
func (h *host) boot() {
	t := h.pair.t
	h.journal = control.NewJournal()
	d := blank(Options{Config: filepath.Join(h.dir, "vipd.toml"), Node: h.name, RunDir: h.dir, StateDir: h.dir, Log: slog.New(slog.DiscardHandler)})
	d.clocks, d.hands = h.pair.clocks(), h.hands
	d.rights = preflight.NewRights(h.tryRights)
	settings, err := config.Load(d.options.Config)
	if err != nil {
		t.Fatal(err)
	}
	self, _ := settings.Node(h.name)
	d.now.Store(cluster.New(settings, self))
	disk := state.Open(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []leasing.Row
	if d.page, left, err = leasing.OpenPage(filepath.Join(h.dir, "leases")); err != nil {
		t.Fatal(err)
	}
	ring, _ := seal.NewRing("t", seal.Key{1})
	stream := d.newStream(disk)
	d.build(stream, state.NewOpener(ring, disk), &mouth{host: h, stream: stream}, disk, h.journal)
	d.loop.source, d.loop.sender.Timer = newBubble(d.clocks, d.loop.events), newBubble(d.clocks, nil)
	d.placed = d.cluster().AddressSets()
	h.hands.Configure(d.placed)
	h.d = d
	h.live.Store(d)
	if err := d.boot(left, disk); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, h.stop = context.WithCancel(t.Context())
	h.end = make(chan error, 1)
	go func() { h.end <- d.Run(ctx) }()
	synctest.Wait()
}

// tryRights is the look at the rights.
func (h *host) tryRights() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.denied
}

// deny has the kernel refuse every change of addresses, or allow it again with nil.
func (h *host) deny(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.denied = err
}

var errKilled = errors.New("killed")

// kill ends the daemon as SIGKILL does.
func (h *host) kill() {
	if h.d == nil {
		return
	}
	h.d.loop.leaving(errKilled)
	<-h.end
	h.live.Store(nil)
	h.d.Close()
	h.d = nil
}

// onLoop runs f on the loop of the host's daemon, and waits until it has run.
func (h *host) onLoop(f func()) {
	done := make(chan struct{})
	h.d.tell(callOnLoop{func() { f(); close(done) }})
	<-done
}

// mouth is a daemon's way to the other one.
type mouth struct {
	host   *host
	stream seal.Stream
}

const latency = 20 * time.Microsecond

func (o *mouth) Send(s heartbeat.Send, m heartbeat.Message) {
	h, p := o.host, o.host.pair
	copied, err := heartbeat.Parse(m.Append(nil))
	if err != nil {
		panic(err)
	}
	h.mu.Lock()
	h.sent = append(h.sent, said{time.Now(), copied})
	h.mu.Unlock()
	other := p.a
	if h == p.a {
		other = p.b
	}
	time.AfterFunc(latency, func() {
		p.mu.Lock()
		cut := p.cut
		p.mu.Unlock()
		if d := other.live.Load(); d != nil && !cut {
			other.mu.Lock()
			if copied.Kind != heartbeat.Reply {
				other.arrived = time.Now()
			}
			other.mu.Unlock()
			d.tryPost(heartbeat.Received{From: o.stream.Sender, Session: o.stream.Session, Start: o.stream.Start, Arrived: d.clocks.Now(), Wall: d.clocks.Wall(), Message: copied})
		}
	})
}

// messages are what the host's daemons have sent since.
func (h *host) messages(since time.Time) (list []said) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sent {
		if !s.at.Before(since) {
			list = append(list, s)
		}
	}
	return list
}

func (p *pair) setCut(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = on
}

// settle lets the pair run until the first host holds.
func (p *pair) settle() {
	p.t.Helper()
	p.until(p.a, front)
}

// until lets time pass until the host alone holds the token, at most 5 s.
func (p *pair) until(h *host, name string) {
	p.t.Helper()
	other := p.a
	if h == p.a {
		other = p.b
	}
	for range 5000 {
		if h.hands.Holds(name) && !other.hands.Holds(name) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	p.t.Fatalf("%s does not hold %s alone", h.name, name)
}

// texts are the journal's lines.
func (h *host) texts() (list []string) {
	for _, e := range h.journal.Since(0, control.PageLimit).Events {
		list = append(list, e.Text)
	}
	return list
}
