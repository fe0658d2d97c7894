package machines

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"vipd/testlab/rig"
)

// The machines of a pair, the one of higher priority first, and the one with the
// database of the writers.
const (
	A        = "hist-a"
	B        = "hist-b"
	Database = "db"
)

// Front is what vipd calls the shared address of the usual configuration.
const Front = "vip:front"

const (
	// port is where every machine tells clients its name.
	port = 7777
	// limit is how long anything may take that is to happen soon.
	limit = 30 * time.Second
	// steadily is how long a machine must answer alone to be said to answer.
	steadily = 300 * time.Millisecond
	// askEvery is the interval of the witness's questions.
	askEvery = 5 * time.Millisecond
)

// Shared is the address that moves.
var Shared = netip.MustParseAddr("192.0.2.10")

// places are the machines' addresses: on the service LAN, and on the redundancy cable
// of those that have one.
var places = map[string][2]string{
	A:        {"192.0.2.11/24", "198.51.100.1/24"},
	B:        {"192.0.2.12/24", "198.51.100.2/24"},
	Database: {"192.0.2.50/24"},
}

// Options say what to boot. The zero value is a pair of the usual configuration.
type Options struct {
	Names  []string          // of the machines: A, B, Database; A and B when empty
	Config string            // of vipd on A and B; the usual one when empty; or NoDaemon
	Idle   bool              // vipd is configured, but only Begin starts it
	Files  map[string]string // more for the disks of all, by path: "etc/x.conf"; of one: "hist-a:etc/x.conf"
}

// Lab is a laboratory of machines. Where vipd runs, a client never tires of asking the
// shared address, and a witness asks who has it.
type Lab struct {
	Rig   *rig.Lab
	Began time.Time

	Client  *rig.Host // this and what is in it: nil with NoDaemon
	Probe   *rig.Probe
	Witness *rig.Witness

	t        testing.TB
	space    string // directory of the machines' disks
	machines []*Machine
	watches  []*Runners
}

// labs numbers the laboratories of a process, for their names.
var labs atomic.Int64

// Start boots the machines and returns when every one is running. All of it ends with
// the test, which is skipped where Require says so.
func Start(t testing.TB, o Options) *Lab {
	t.Helper()
	Require(t)
	l := &Lab{t: t, Rig: rig.Start(t), Began: time.Now()}
	if len(o.Names) == 0 {
		o.Names = []string{A, B}
	}
	t.Cleanup(l.end)
	if o.Config != NoDaemon {
		l.look()
	}
	l.build(o)
	l.boot()
	return l
}

// look begins to ask the shared address, and who has it.
func (l *Lab) look() {
	l.Client = l.Rig.Host("client")
	card := l.Client.Plug(l.Rig.Switch("service"), "eth0", netip.MustParsePrefix("192.0.2.100/24"))
	l.Probe = l.Client.Probe(netip.AddrPortFrom(Shared, port))
	l.Witness = card.Witness(Shared, askEvery)
}

// build makes the machines, none of which has power yet.
func (l *Lab) build(o Options) {
	l.t.Helper()
	kept, err := storage()
	if err != nil {
		l.t.Fatal(err)
	}
	if l.space, err = os.MkdirTemp(kept.space, "lab"); err != nil {
		l.t.Fatal(err)
	}
	layer, err := product()
	if err != nil {
		l.t.Fatal(err)
	}
	number := labs.Add(1)
	for _, name := range o.Names {
		if _, known := places[name]; !known {
			l.t.Fatalf("the laboratory has no place for a machine %q", name)
		}
		m := newMachine(l, name, number, filepath.Join(l.space, name), layer+":"+kept.root)
		if err := m.furnish(o); err != nil {
			l.t.Fatalf("disk of %s: %v", name, err)
		}
		l.machines = append(l.machines, m)
	}
}

// Machine is the one with that name.
func (l *Lab) Machine(name string) *Machine {
	for _, m := range l.machines {
		if m.name == name {
			return m
		}
	}
	l.t.Helper()
	l.t.Fatalf("the laboratory has no machine %q", name)
	return nil
}

// Machines are all, in the order of the options.
func (l *Lab) Machines() []*Machine { return l.machines }

// boot switches on every machine, and returns when all are running.
func (l *Lab) boot() {
	l.t.Helper()
	booted := make(chan error)
	for _, m := range l.machines {
		m.powerOn()
	}
	for _, m := range l.machines {
		go func() { booted <- m.start() }()
	}
	var failed error
	for range l.machines {
		failed = errors.Join(failed, <-booted)
	}
	if failed != nil {
		l.t.Fatal(failed)
	}
}

// end shows the machines' last words where the test failed, and takes them down.
func (l *Lab) end() {
	for _, w := range l.watches {
		w.Close()
	}
	if l.t.Failed() {
		l.lastWords()
	}
	for _, m := range l.machines {
		if err := m.powerOff(); err != nil {
			l.t.Errorf("%s is left: %v", m.name, err)
		}
	}
	os.RemoveAll(l.space) // the memory; all of it goes with the process
}
