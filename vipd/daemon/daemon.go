package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"vipd/heartbeat"
	"vipd/host/boot"
	"vipd/host/child"
	"vipd/sharedip"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/daemon/addresses"
	"vipd/vipd/daemon/cluster"
	"vipd/vipd/daemon/leasing"
	"vipd/vipd/daemon/observe"
	"vipd/vipd/daemon/preflight"
	"vipd/vipd/daemon/sched"
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
	options        Options
	log            *slog.Logger
	aside          *observe.AsyncHandler
	clocks         boot.Clocks
	started        time.Time
	signals        chan os.Signal
	now            atomic.Pointer[cluster.View]
	loop           *loop
	hands          allHands
	start          func(func(context.Context)) // runs something until the daemon ends; nil before Run
	waiting        []func(context.Context)     // for start
	placed         []sharedip.Set              // what the hands were given; the loop's
	leased         *leasing.LeasedAddresses
	left           []sharedip.Set // of tokens that left the configuration and may still be up; the loop's
	paths          []*path
	lans           []*lanPath
	lanFilter      atomic.Pointer[[]bpf.RawInstruction]
	lanless        string                   // interfaces for which no path number is left; of the goroutine that opens them
	stations       atomic.Pointer[stations] // of the other nodes, as seen on the clients' network
	stationsWanted atomic.Bool              // since they were asked for
	page           *leasing.Page
	only           *preflight.Instance
	rights         *preflight.Rights
	doubted        chan struct{} // the rights are to be looked at now
	linkUp         chan struct{} // the paths are to be looked at now
	inbox          *inbox
	keys           *keys      // the loop's once it runs
	copies         *copyWatch // nil: none
	inlet          *inlet
	parts          []part
	spawn          func(*addresses.Worker) // starts a token's worker; set by Run
	ended          <-chan struct{}         // nobody takes events any more; set by Run
	askedLast      asked                   // by toSay; of the loop's goroutine

	alarms *observe.Alarms
	mu     sync.Mutex
	named  map[refusedFrom]refusedSender
	noRoom map[strangers]time.Time // when one found no room in named
}

// allHands are what the daemon asks of sharedip.Hands.
type allHands interface {
	addresses.Hands
	Configure([]sharedip.Set) error
	Check() []error
	Held() (map[string][]netip.Prefix, error)
	Ready(name string) error
	Heard(name string) time.Time
	Glance()
	Carried(index int)
	Stations() []sharedip.Station
	Defend(name string, addr netip.Addr)
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
func (d *Daemon) cluster() *cluster.View { return d.now.Load() }

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
	beside := observe.NewAsyncHandler(o.Log.Handler())
	log := slog.New(beside)
	return &Daemon{options: o, log: log, alarms: observe.NewAlarms(log), aside: beside, clocks: boot.Kernel, started: time.Now(), signals: make(chan os.Signal, 4), doubted: make(chan struct{}, 1), linkUp: make(chan struct{}, 1),
		named: map[refusedFrom]refusedSender{}, noRoom: map[strangers]time.Time{}}
}

// load reads the configuration and opens what it speaks of.
func (d *Daemon) load() error {
	settings, err := config.Load(d.options.Config)
	if err != nil {
		return err
	}
	self, err := preflight.FindSelf(settings, d.options.Node)
	if err != nil {
		return err
	}
	d.now.Store(cluster.New(settings, self))
	for _, w := range settings.Warnings {
		d.log.Warn(w.String())
	}
	return d.open()
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
	for _, p := range d.lans {
		p.close(nil)
	}
	if d.inlet != nil {
		d.inlet.close()
	}
	if d.hands != nil {
		d.hands.Close()
	}
	if d.page != nil {
		d.page.Close()
	}
	if d.rights != nil {
		d.rights.Close()
	}
	d.only.Close()
	d.aside.End()
}

// Run opens a daemon and runs it until it is stopped by SIGTERM or SIGINT, or
// ctx ends. A restart replaces the process.
func Run(ctx context.Context, o Options) error {
	unix.Umask(0o022) // what is made here is for the next daemon to read, however this one was started
	preflight.SettleProcess()
	o.Refused = sched.Prioritise()
	d, err := New(o)
	if err != nil {
		return preflight.Permission(err)
	}
	sched.WarnRefused(o.Refused, d.log) // which waits for no reader
	reaping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go child.Reap(reaping)
	if o.Refused == nil {
		sched.ReleaseStartupMemory()
		go sched.MaintainPriority(reaping)
	}
	err = d.Run(ctx)
	if !errors.Is(err, errRestart) {
		d.Close()
		return err
	}
	only := d.only
	d.only = nil // the next program has it
	d.Close()
	return reexec(only)
}
