package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"vipd/heartbeat"
	"vipd/seal"
	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/node"
)

// Options are what the verb `run` was told.
type Options struct {
	Config   string // path of the configuration file
	Node     string // this node's name; "" finds it by the host's addresses
	RunDir   string // socket and lease page
	StateDir string // what outlives a reboot
	Log      *slog.Logger
}

// Why a daemon ends.
var (
	errStopped = errors.New("stopped")
	errRestart = errors.New("restart")
)

// Daemon is one node's running program. New opens everything, Run runs it.
type Daemon struct {
	options Options
	log     *slog.Logger
	started time.Time
	now     atomic.Pointer[cluster]
	loop    *loop
	hands   *sharedip.Hands
	paths   []*path
	page    *page
	inbox   *inbox
	server  *control.Server
	spawn   func(*worker) // starts a token's worker; set by Run

	mu      sync.Mutex
	trouble map[string]string // what is wrong now, by what it is about
	named   map[string]time.Time
}

// cluster is the configuration in force.
func (d *Daemon) cluster() *cluster { return d.now.Load() }

// New opens everything on the calling thread, whose network namespace the
// daemon then lives in, and adopts what an earlier daemon left.
func New(o Options) (*Daemon, error) {
	d := &Daemon{options: o, log: o.Log, started: time.Now(), trouble: map[string]string{}, named: map[string]time.Time{}}
	settings, err := config.Load(o.Config)
	if err != nil {
		return nil, err
	}
	self, err := whoAmI(settings, o.Node)
	if err != nil {
		return nil, err
	}
	d.now.Store(&cluster{settings, self})
	for _, w := range settings.Warnings {
		d.log.Warn(w.String())
	}
	if err := d.open(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// whoAmI finds this node: the one named, or the one whose addresses are here.
func whoAmI(s config.Settings, name string) (config.Node, error) {
	if name != "" {
		n, ok := s.Node(name)
		if !ok {
			return n, control.Errorf(control.CodeUsage, "--node %s: no such node in the configuration", name)
		}
		return n, nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return config.Node{}, fmt.Errorf("look at this host's addresses: %w", err)
	}
	var local []netip.Addr
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			local = append(local, p.Addr())
		}
	}
	return s.Self(local)
}

// open opens disk, socket, page, hands and paths, in the order in which an
// error should be met: what another daemon holds comes before what it disturbs.
func (d *Daemon) open() error {
	c := d.cluster()
	keys, err := seal.ReadKeyFile(c.settings.KeyFile)
	if err != nil {
		return err
	}
	ring, err := seal.NewRing(c.settings.Cluster, keys[0], keys[1:]...)
	if err != nil {
		return err
	}
	disk, err := openStore(d.options.StateDir)
	if err != nil {
		return err
	}
	ring0 := control.NewJournal()
	if d.server, err = control.Listen(d.options.RunDir, d, ring0, d.log); err != nil {
		return err
	}
	var left []row
	if d.page, left, err = openPage(filepath.Join(d.options.RunDir, "leases")); err != nil {
		return err
	}
	if err := d.openHands(); err != nil {
		return err
	}
	d.openPaths()
	d.build(ring, disk, ring0)
	return d.boot(left, disk)
}

func (d *Daemon) openHands() (err error) {
	c := d.cluster()
	d.hands, err = sharedip.Open(sharedip.Options{
		Own: c.self.Addresses, Interval: c.settings.Heartbeat.Interval,
		Owns:  func(name string, epoch uint64) bool { return d.loop.owned(name, epoch) },
		Event: func(e sharedip.Event) { d.felt(e) },
	})
	if err != nil {
		return err
	}
	if err := d.hands.Configure(c.sets()); err != nil {
		return err
	}
	for _, err := range d.hands.Check() {
		d.log.Error("the address could not work here", "err", err)
		d.setTrouble("check "+err.Error(), err.Error())
	}
	return nil
}

func (d *Daemon) openPaths() {
	c := d.cluster()
	d.paths = paths(c.settings, c.self)
	for _, p := range d.paths {
		if err := p.open(); err != nil {
			d.log.Warn("a path can't be opened yet; trying on", "err", err)
		}
	}
}

// build makes the parts that share one session.
func (d *Daemon) build(ring *seal.Ring, disk *store, events *control.Journal) {
	c := d.cluster()
	session := seal.NewSession()
	h := c.settings.Heartbeat
	lease := h.Dead() * 4 / 5
	machine := node.New(node.Config{
		Self: c.self.Slot, Session: session, Peers: c.peers(), Digest: c.settings.Digest(), Build: build(),
		Config: token.Config{Interval: h.Interval, Dead: h.Dead(), Lease: lease, StartWait: c.settings.StartWait,
			Tokens: c.specs(), HighWater: disk.state().HighWater},
	}, bootNow())
	l := &loop{
		events: make(chan any, eventsWaiting), machine: machine, opener: seal.NewOpener(ring), log: d.log,
		moves: moves{}, editions: map[uint8]uint32{}, fights: map[int]time.Time{}, failed: map[int]string{},
		replies: map[uint64]chan node.Reply{}, ready: d.hands.Ready, forget: func() {},
	}
	d.loop = l
	l.journal = &journal{ring: events, names: d.cluster, machine: machine, log: d.log}
	l.keeper = &keeper{store: disk, asks: make(chan node.Action, asksWaiting), answer: d.tell, log: d.log, report: d.diskTrouble,
		name: func(i int) string { return machine.Tokens().Spec(i).Name }}
	l.beater = newBeater(heartbeat.Config{Self: c.self.Slot, Session: session, Peers: c.peers(), Interval: h.Interval, Dead: h.Dead(), Lease: lease},
		&outbox{paths: d.paths, sealer: seal.NewSealer(ring, c.self.Slot, session)}, d.page, d.wedged)
	d.inbox = &inbox{opener: l.opener, events: l.events, refuse: d.refused, bad: d.malformed}
	l.match(c, d.hands, d.tell)
}

// build is the program's version as heartbeats carry it.
func build() string {
	v := control.Version()
	return v[:min(len(v), heartbeat.MaxVersion)]
}

// tell hands an event to the loop; only a full queue makes it wait.
func (d *Daemon) tell(ev any) { d.loop.events <- ev }

// Close closes what New opened. Addresses that are held stay until their
// lifetime ends.
func (d *Daemon) Close() {
	for _, p := range d.paths {
		if conn := p.conn.Swap(nil); conn != nil {
			conn.Close()
		}
	}
	if d.hands != nil {
		d.hands.Close()
	}
	if d.page != nil {
		d.page.close()
	}
}

// Run opens a daemon and runs it until it is stopped by SIGTERM or SIGINT, or
// ctx ends. A restart replaces the process.
func Run(ctx context.Context, o Options) error {
	d, err := New(o)
	if err != nil {
		return err
	}
	err = d.Run(ctx)
	d.Close()
	if errors.Is(err, errRestart) {
		return reexec()
	}
	return err
}
