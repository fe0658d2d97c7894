package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/lease"
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
	Refused  error // what the host refused of running before others, nil if nothing
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
	aside   *aside
	clocks  clocks
	started time.Time
	signals chan os.Signal
	now     atomic.Pointer[cluster]
	loop    *loop
	hands   allHands
	start   func(func(context.Context)) // runs something until the daemon ends; nil before Run
	waiting []func(context.Context)     // for start
	placed  []sharedip.Set              // what the hands were given; the loop's
	deadman *deadman
	left    []sharedip.Set // of tokens that left the configuration and may still be up; the loop's
	paths   []*path
	page    *page
	inbox   *inbox
	inlet   *inlet
	parts   []part
	spawn   func(*worker)   // starts a token's worker; set by Run
	ended   <-chan struct{} // nobody takes events any more; set by Run

	mu       sync.Mutex
	trouble  map[string]string // what is wrong now, by what it is about
	unusable []string          // why configured addresses could not work here now
	named    map[string]time.Time
}

// allHands are what the daemon asks of sharedip.Hands.
type allHands interface {
	Hands
	Configure([]sharedip.Set) error
	Check() []error
	Held() (map[string][]netip.Prefix, error)
	Ready(name string) error
	Heard(name string) time.Time
	Glance()
	Carried(index int)
	Renew() error
	Close()
}

// part is something that the daemon can't do without; it runs until its context
// ends.
type part struct {
	does string
	run  func(context.Context) error
}

// cluster is the configuration in force.
func (d *Daemon) cluster() *cluster { return d.now.Load() }

// New opens everything on the calling thread, whose network namespace the
// daemon then lives in, and adopts what an earlier daemon left.
func New(o Options) (*Daemon, error) {
	d := blank(o)
	signal.Notify(d.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2) // one that comes early waits
	if err := d.load(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func blank(o Options) *Daemon {
	beside := newAside(o.Log.Handler())
	return &Daemon{options: o, log: slog.New(beside), aside: beside, clocks: kernelClocks, started: time.Now(), signals: make(chan os.Signal, 4),
		trouble: map[string]string{}, named: map[string]time.Time{}}
}

// load reads the configuration and opens what it speaks of.
func (d *Daemon) load() error {
	settings, err := config.Load(d.options.Config)
	if err != nil {
		return err
	}
	self, err := WhoAmI(settings, d.options.Node)
	if err != nil {
		return err
	}
	d.now.Store(&cluster{settings, self})
	for _, w := range settings.Warnings {
		d.log.Warn(w.String())
	}
	return d.open()
}

// WhoAmI finds this node: the one named, or the one whose addresses are here.
func WhoAmI(s config.Settings, name string) (config.Node, error) {
	if name != "" {
		n, ok := s.Node(name)
		if !ok {
			var names []string
			for _, n := range s.Nodes {
				names = append(names, n.Name)
			}
			return n, control.Errorf(control.CodeUsage, "--node %s: no such node in the configuration; the nodes are: %s", name, strings.Join(names, ", "))
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
	if err := vet(context.Background(), c.settings.Groups, d.options.RunDir); err != nil {
		return err
	}
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
	events := control.NewJournal()
	server, err := control.Listen(d.options.RunDir, d, events, d.log)
	if err != nil {
		return err
	}
	d.parts = append(d.parts, part{"answer on the socket", server.Run})
	var left []row
	if d.page, left, err = openPage(filepath.Join(d.options.RunDir, "leases")); err != nil {
		return err
	}
	if err := d.openHands(); err != nil {
		return err
	}
	d.openPaths()
	session := seal.NewSession()
	d.build(session, seal.NewOpener(ring), &outbox{paths: d.paths, sealer: seal.NewSealer(ring, d.cluster().self.Slot, session)}, disk, events)
	if err := d.listen(); err != nil {
		return err
	}
	return d.boot(left, disk)
}

// listen makes what the loop and the beater wait with.
func (d *Daemon) listen() (err error) {
	if d.inlet, err = newInlet(d.clocks, d.loop.events, d.inbox, d.hands.Carried); err != nil {
		return err
	}
	d.loop.source = d.inlet
	for _, p := range d.paths {
		if conn := p.conn.Load(); conn != nil {
			if err := d.inlet.hear(p.number, conn); err != nil {
				return err
			}
		}
	}
	d.loop.beater.alarm, err = newBootAlarm()
	return err
}

func (d *Daemon) openHands() error {
	c := d.cluster()
	if err := d.openDeadman(); err != nil {
		return err
	}
	if err := d.fastEnough(); err != nil {
		return errors.Join(err, d.deadman.leases.Close())
	}
	hands, err := sharedip.Open(sharedip.Options{
		Own: c.self.Addresses, Peers: c.others(), Interval: c.settings.Heartbeat.Interval, Lifetime: d.deadman.lifetime(),
		Owns:  func(name string, epoch uint64) bool { return d.loop.owned(name, epoch) },
		Event: func(e sharedip.Event) { d.felt(e) },
	})
	if err != nil {
		return errors.Join(err, d.deadman.leases.Close())
	}
	d.deadman.Hands, d.hands = hands, d.deadman
	d.parts = append(d.parts, part{"watch the kernel", hands.Run})
	d.placed = c.sets()
	if err := d.hands.Configure(d.placed); err != nil {
		return err
	}
	d.check()
	return nil
}

// openDeadman opens the best lease that this host allows.
func (d *Daemon) openDeadman() error {
	leases, err := lease.Open(lease.Options{PinDir: pinDir, Addresses: d.cluster().shared()})
	if err != nil {
		return err
	}
	h := d.cluster().settings.Heartbeat
	d.deadman = newDeadman(leases, leaseOf(h), d.log)
	d.parts = append(d.parts, part{"keep a keeper", d.keepKeeper})
	if d.deadman.groups, err = newContainment(d.options.RunDir, d.buried); err != nil {
		return errors.Join(err, leases.Close())
	}
	d.parts = append(d.parts, part{"watch the lease", d.watchLease})
	if why := d.deadman.why; why != "" {
		d.log.Warn("the kernel's lease is not the best there is", "layer", d.deadman.layer, "why", why)
	}
	return nil
}

// fastEnough refuses the profile whose dead time is shorter than what an ordinary
// program may have to wait, and than what a lesser lease can count.
func (d *Daemon) fastEnough() error {
	if d.cluster().settings.Heartbeat.Profile != config.Fast {
		return nil
	}
	var lacks []string
	if d.deadman.layer != string(lease.BPF) {
		lacks = append(lacks, fmt.Sprintf("the BPF lease (%s)", d.deadman.why))
	}
	if d.options.Refused != nil {
		lacks = append(lacks, fmt.Sprintf("the right to run before others (%v)", d.options.Refused))
	}
	if lacks == nil {
		return nil
	}
	return control.Errorf(control.CodeInvalid, "%s: heartbeat.profile: fast needs what this host does not give: %s; take normal, or give the daemon those rights",
		d.options.Config, strings.Join(lacks, "; "))
}

// pinDir is where a daemon without CAP_SYS_ADMIN finds the leases of the one
// before.
const pinDir = "/sys/fs/bpf/vipd"

// leaseOf is L for the timing: 0.8 of the dead time.
func leaseOf(h config.Heartbeat) time.Duration { return h.Dead() * 4 / 5 }

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
func (d *Daemon) build(session uint64, opener *seal.Opener, out speaker, disk *store, events *control.Journal) {
	c := d.cluster()
	h := c.settings.Heartbeat
	lease := leaseOf(h)
	machine := node.New(node.Config{
		Self: c.self.Slot, Session: session, Peers: c.peers(), Digest: c.settings.Digest(), Build: build(), Leased: d.deadman.enforces(),
		Config: token.Config{Interval: h.Interval, Dead: h.Dead(), Lease: lease, StartWait: c.settings.StartWait,
			Tokens: c.specs(), HighWater: disk.state().HighWater},
		Services: c.services(),
	}, d.clocks.boot())
	l := &loop{
		clocks: d.clocks, events: make(chan any, eventsWaiting), thawed: make(chan struct{}, 1), machine: machine, opener: opener, log: d.log,
		moves: moves{}, editions: map[uint8]uint32{}, crews: map[int]*crew{}, fights: map[int]time.Time{}, failed: map[int]string{},
		replies: map[uint64]chan node.Reply{}, ready: d.hands.Ready, forget: d.forget,
		longest: max(lease, node.Grace),
	}
	d.loop = l
	l.journal = &journal{ring: events, names: d.cluster, machine: machine, log: d.log, groups: map[string]string{}}
	l.keeper = &keeper{store: disk, asks: make(chan node.Action, asksWaiting), answer: d.tell, log: d.log, report: d.diskTrouble,
		name: func(i int) string { return machine.Tokens().Spec(i).Name }}
	l.beater = newBeater(d.clocks, heartbeat.Config{Self: c.self.Slot, Session: session, Peers: c.peers(), Interval: h.Interval, Dead: h.Dead(), Lease: lease},
		out, d.page, d.deadman, d.wedged, d.hands.Glance)
	if d.deadman != nil {
		d.deadman.renew = l.beater.rewrite
	}
	l.asked, l.proofs, l.tell = map[int]clock.Instant{}, proofs{}, d.tell
	l.deaf = deafness{since: map[int]time.Time{}, heard: d.hands.Heard, most: c.settings.StartWait}
	d.inbox = &inbox{clocks: d.clocks, opener: l.opener, refuse: d.refused, bad: d.malformed}
	l.match(c, d.hands, d.tell)
	d.man()
}

// build is the program's version as heartbeats carry it.
func build() string {
	v := control.Version()
	return v[:min(len(v), heartbeat.MaxVersion)]
}

// tell hands an event to the loop; only a full queue makes it wait, for as long
// as there is a loop.
func (d *Daemon) tell(ev any) {
	d.loop.post(ev, d.ended)
}

// Close closes what New opened. Addresses that are held stay until their
// lifetime ends.
func (d *Daemon) Close() {
	signal.Stop(d.signals)
	for _, p := range d.paths {
		if conn := p.conn.Swap(nil); conn != nil {
			conn.Close()
		}
	}
	if d.inlet != nil {
		d.inlet.close()
	}
	if d.hands != nil {
		d.hands.Close()
	}
	if d.page != nil {
		d.page.close()
	}
	d.aside.end()
}

// Run opens a daemon and runs it until it is stopped by SIGTERM or SIGINT, or
// ctx ends. A restart replaces the process.
func Run(ctx context.Context, o Options) error {
	o.Refused = hurry()
	sayHurry(o.Refused, o.Log)
	d, err := New(o)
	if err != nil {
		return err
	}
	if o.Refused == nil {
		shed()
		hurrying, stop := context.WithCancel(ctx)
		defer stop()
		go stayInHurry(hurrying)
	}
	err = d.Run(ctx)
	d.Close()
	if errors.Is(err, errRestart) {
		return reexec()
	}
	return err
}
