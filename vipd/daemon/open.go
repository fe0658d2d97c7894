package daemon

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"vipd/heartbeat"
	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/lease"
	"vipd/seal"
	"vipd/sharedip"
	"vipd/token"
	"vipd/vipd/config"
	"vipd/vipd/control"
	"vipd/vipd/daemon/groups"
	"vipd/vipd/daemon/leasing"
	"vipd/vipd/daemon/observe"
	"vipd/vipd/daemon/preflight"
	"vipd/vipd/daemon/state"
	"vipd/vipd/node"
)

// open opens disk, socket, page, hands and paths, in the order in which an
// error should be met: what another daemon holds comes before what it disturbs.
func (d *Daemon) open() error {
	c := d.cluster()
	if err := d.admit(); err != nil {
		return err
	}
	if err := preflight.Vet(context.Background(), d.options.Config, c.Settings, groups.UnitsDir(d.options.RunDir)); err != nil {
		return err
	}
	ring, err := d.readKeys()
	if err != nil {
		return err
	}
	disk := state.Open(d.options.StateDir)
	events := control.NewJournal()
	server, err := control.Listen(d.options.RunDir, d, events, d.log)
	if err != nil {
		return err
	}
	d.parts = append(d.parts, part{"answer on the socket", server.Run})
	var left []leasing.Row
	if d.page, left, err = leasing.OpenPage(filepath.Join(d.options.RunDir, "leases")); err != nil {
		d.alarms.Warn("page", fmt.Sprintf("leases can't be kept for the next daemon: %v; after a crash it adopts nothing that is held", err))
	}
	if err := d.openHands(); err != nil {
		return err
	}
	if err := d.openPaths(ring); err != nil {
		return err
	}
	stream := d.newStream(disk)
	d.keys = newKeys(ring, stream)
	d.copies = newCopyWatch(d.newSession)
	d.build(stream, state.NewOpener(ring, disk), &outbox{paths: d.paths, lans: d.lans, sealer: d.keys.sealer, keys: d.keys, copies: d.copies}, disk, events)
	if err := d.listen(); err != nil {
		return err
	}
	if text := disk.LostText(); text != "" {
		d.stateLost(text)
	}
	return d.boot(left, disk)
}

// admit makes sure that this process is the only daemon here and may do its work.
func (d *Daemon) admit() (err error) {
	if d.only, err = preflight.ClaimInstance(); err != nil {
		return err
	}
	if why := d.only.Doubt; why != "" {
		text := "can't tell whether another vipd runs in this network namespace: " + why
		d.alarms.Warn("instance", text)
	}
	d.rights, err = preflight.OpenRights()
	return err
}

// listen makes what the loop and the sender loop wait with.
func (d *Daemon) listen() (err error) {
	if d.inlet, err = newInlet(d.clocks, d.loop.events, d.inbox, d.hands.Carried); err != nil {
		return err
	}
	d.inlet.pauseFor = pauseOf(d.cluster().Settings.Heartbeat.Interval)
	d.loop.source = d.inlet
	for _, p := range d.paths {
		if conn := p.conn.Load(); conn != nil {
			if err := d.inlet.hear(p.number, conn); err != nil {
				return err
			}
		}
	}
	d.tendLANs()
	d.loop.sender.Timer, err = boot.NewTimer()
	return err
}

func (d *Daemon) openHands() error {
	c := d.cluster()
	if err := d.openDeadman(); err != nil {
		return err
	}
	if err := checkFastProfile(d.options.Config, c.Settings.Heartbeat, d.leased.Layer(), d.leased.Why(), d.options.Refused); err != nil {
		return errors.Join(err, d.leased.CloseLeases())
	}
	hands, err := sharedip.Open(sharedip.Options{
		Own: c.Self.Addresses, Peers: c.PeerAddresses(), Lifetime: d.leased.Lifetime(),
		Owns:  func(name string, epoch uint64) bool { return d.loop.owned(name, epoch) },
		Event: func(e sharedip.Event) { d.onAddressEvent(e) },
		Guard: d.leased.Guard,
	})
	if err != nil {
		return errors.Join(err, d.leased.CloseLeases())
	}
	d.leased.Bind(hands)
	d.hands = d.leased
	d.parts = append(d.parts, part{"watch the kernel", hands.Run})
	d.placed = c.AddressSets()
	if err := d.hands.Configure(d.placed); err != nil {
		return err
	}
	d.check()
	return nil
}

// openDeadman opens the best lease that this host allows.
func (d *Daemon) openDeadman() error {
	leases, err := lease.Open(lease.Options{PinDir: pinDir, Addresses: d.cluster().SharedAddresses()})
	if err != nil {
		return err
	}
	h := d.cluster().Settings.Heartbeat
	d.parts = append(d.parts, part{"keep a keeper", d.keepKeeper})
	groups, err := leasing.OpenGroupLeases(d.options.RunDir, d.buried)
	if err != nil && d.needsKeeper() {
		return errors.Join(err, leases.Close())
	} else if err != nil {
		d.alarms.Warn("groups", fmt.Sprintf("no group could be guarded: %v", err))
	}
	d.leased = leasing.NewLeasedAddresses(leases, leasing.Options{Length: leaseOf(h), Log: d.log, Groups: groups, RenewNow: d.renewLease, Refused: d.leaseRefused})
	d.parts = append(d.parts, part{"watch the lease", d.watchLease})
	if why := d.leased.Why(); why != "" {
		d.log.Warn("the kernel's lease is not the best there is", "layer", d.leased.Layer(), "why", why)
	}
	return nil
}

// checkFastProfile refuses profile = "fast" (15 ms dead time) unless the host has the BPF
// lease and lets vipd run at raised priority: nftables leases are at least 100 ms, and an
// ordinary process may wait longer than 15 ms for a CPU.
func checkFastProfile(path string, h config.Heartbeat, layer, why string, refused error) error {
	if h.Profile != config.Fast {
		return nil
	}
	var lacks []string
	if layer != string(lease.BPF) {
		lacks = append(lacks, fmt.Sprintf("the BPF lease (%s)", why))
	}
	if refused != nil {
		lacks = append(lacks, fmt.Sprintf("the right to run before others (%v)", refused))
	}
	if lacks == nil {
		return nil
	}
	return control.Errorf(control.CodeInvalid, "%s: heartbeat.profile: fast needs what this host does not give: %s; take normal, or give the daemon those rights",
		path, strings.Join(lacks, "; "))
}

// pinDir is where a daemon without CAP_SYS_ADMIN finds the leases of the one
// before.
const pinDir = "/sys/fs/bpf/vipd"

// leaseOf is L for the timing: 0.8 of the dead time.
func leaseOf(h config.Heartbeat) time.Duration { return h.Dead() * 4 / 5 }

// openPaths opens the paths that can be opened now; the others are tried again. It fails
// where none can for a reason that is this host's to mend: the port is another program's,
// or a right is missing.
func (d *Daemon) openPaths(ring *seal.Ring) error {
	c := d.cluster()
	d.paths = paths(c.Settings, c.Self)
	d.lans = lanPaths(c.Self)
	d.setFilter(ring)
	var refused error
	opened := 0
	for _, p := range d.paths {
		err := p.open()
		d.pathTrouble(p, err)
		switch code := preflight.PathCode(err); {
		case err == nil:
			opened++
		case code != control.CodeFailed && refused == nil:
			refused = control.Errorf(code, "%s", p.trouble)
		}
	}
	if opened > 0 {
		return nil
	}
	return refused
}

// build makes the parts that share one session.
func (d *Daemon) build(stream seal.Stream, opener *seal.Opener, out leasing.Transport, disk *state.Store, events *control.Journal) {
	c := d.cluster()
	h := c.Settings.Heartbeat
	lease := leaseOf(h)
	machine := node.New(node.Config{
		Self: c.Self.Slot, Session: stream.Session, Start: stream.Start, Starts: disk.PeerStarts(), Peers: c.Peers(), Digest: c.Settings.Digest(), Boot: bootName(), Build: build(), Paths: uint8(len(c.Self.Addresses)), LANs: uint8(len(d.lans)), Leased: d.leased.Enforces(),
		Config: token.Config{Interval: h.Interval, Dead: h.Dead(), Lease: lease, StartWait: c.Settings.StartWait,
			Tokens: c.TokenSpecs(), HighWater: disk.State().HighWater, Timed: disk.State().Timed,
			Clock: token.ClockFloor{Floor: node.Floor(d.clocks.Wall()), Trusted: boot.Synchronised()}, Booting: true},
		Services: c.Services(),
	}, d.clocks.Now())
	l := &loop{
		Clocks: d.clocks, events: make(chan any, eventsWaiting), thawed: make(chan struct{}, 1), machine: machine, opener: opener, start: stream.Start, log: d.log,
		moves: observe.Moves{}, names: d.cluster, editions: map[uint8]uint32{}, runners: map[int]*groups.GroupRunner{}, fights: map[int]time.Time{}, failed: map[int]string{}, takes: map[int]failedTake{}, open: map[string]openLease{},
		replies: map[uint64]chan node.Reply{}, ready: d.hands.Ready, forget: d.forget,
		longest: max(lease, node.Grace),
	}
	d.loop = l
	l.journal = observe.NewJournal(events, d.cluster, machine, d.log)
	l.writer = state.NewWriter(disk, state.WriterOptions{Answer: func(ev token.Event) { d.tell(ev) }, Restart: func() { d.tell(restartNow{}) }, Report: d.diskTrouble, Log: d.log})
	l.sender = leasing.NewSenderLoop(d.clocks, heartbeat.Config{Self: c.Self.Slot, Session: stream.Session, Peers: c.Peers(), Interval: h.Interval, Dead: h.Dead(), Lease: lease},
		out, d.page, d.leased, d.wedged, d.hands.Glance)
	l.answerers, l.claims, l.raise, l.dead = map[int]answerer{}, claims{}, d.alarms.RaiseFor, h.Dead()
	l.asked, l.proofs, l.tell = map[int]clock.Instant{}, observe.Proofs{}, d.tell
	l.forwarding = forwardingCheck{since: map[int]time.Time{}, heard: d.hands.Heard, most: c.Settings.StartWait}
	d.inbox = &inbox{Clocks: d.clocks, opener: l.opener, refuse: d.refused, bad: d.malformed, self: c.Self.Slot, own: stream.Session, twin: d.twin}
	l.doubt = d.doubtRights
	l.syncWorkers(c, d.workerOptions())
	d.startGroups()
}
