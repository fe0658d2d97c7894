package lease

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
	"vipd/testlab/rig"
)

// fault is a way to keep a daemon from renewing.
type fault struct {
	name   string
	strike func(*owner) error
	mend   func(*owner) error // nil: it is dead
}

var faults = []fault{
	{"stopped",
		func(o *owner) error { return o.Signal(syscall.SIGSTOP) },
		func(o *owner) error { return o.Signal(syscall.SIGCONT) }},
	{"killed", func(o *owner) error { return o.Signal(syscall.SIGKILL) }, nil},
	{"frozen",
		func(o *owner) error { return freeze(o, "1") },
		func(o *owner) error { return freeze(o, "0") }},
	{"wedged", func(o *owner) error { return o.Signal(signalWedge) }, func(*owner) error { return nil }},
}

// freeze freezes or thaws the owner's control group.
func freeze(o *owner, value string) error {
	folder, err := groupFolder("owner")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(o.PID())), 0); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "cgroup.freeze"), []byte(value), 0)
}

// groupFolder makes a control group of this name.
func groupFolder(name string) (string, error) {
	root, err := cgroup.Root()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, "vipd-lease-test-"+strconv.Itoa(os.Getpid())+"-"+name)
	if err := os.Mkdir(folder, 0o755); err != nil && !os.IsExist(err) {
		return "", err
	}
	return folder, nil
}

// TestDeadMan holds the addresses in a process that is then kept from renewing,
// and has another host take them when the lease has run out. It looks at what a
// client sees.
func TestDeadMan(t *testing.T) {
	for _, layer := range layers {
		for _, f := range faults {
			t.Run(fmt.Sprintf("%s/%s", layer, f.name), func(t *testing.T) { deadMan(t, layer, f) })
		}
	}
}

func deadMan(t *testing.T, layer Layer, f fault) {
	lab := rig.Start(t)
	if layer == BPF {
		rig.Need(t, rig.BPF)
	}
	if f.name == "frozen" {
		folder, err := groupFolder("owner")
		if err != nil {
			rig.Missing(t, "cgroup2", err)
		}
		t.Cleanup(func() { os.Remove(folder) })
	}
	lan := lab.Switch("lan")
	s := &scene{
		t: t, layer: layer,
		home:   lab.Host("owner").Plug(lan, "eth0", home4, home6),
		second: lab.Host("second").Plug(lan, "eth0", second4, second6),
		probe:  startProber(t, lab.Host("client").Plug(lan, "eth0", peer4, peer6)),
	}
	l := open(t, s.second.Host(), Options{Prefer: layer})
	for _, address := range []netip.Addr{shared4, shared6} {
		s.leases = append(s.leases, arm(t, l, address, s.second.Index()))
	}
	s.start()
	for range trials() {
		s.trial(f)
	}
	s.owner.Kill()
	s.report()
}

// scene is what one series of trials happens in.
type scene struct {
	t            *testing.T
	layer        Layer
	home, second *rig.Port // of the owner and of the host that takes over
	owner        *owner
	probe        *prober
	leases       []*Lease               // of the second host
	late         [kinds][]time.Duration // the owner's last answers, from its expiry
	both         time.Duration          // longest time with two hosts answering
}

// trial grants, strikes, lets the second host take over, mends, and looks
// whether the owner was silent from its expiry on.
func (s *scene) trial(f fault) {
	s.probe.forget()
	s.must(s.owner.Signal(signalGrant))
	await(s.t, "answers of the owner to everything that is asked", func() bool { return s.answers(s.home) })
	time.Sleep(time.Duration(boot.Now()) % (ownerLease / 5)) // strike anywhere between renewals
	s.must(f.strike(s.owner))
	await(s.t, "the expiry", func() bool { return s.owner.expiry().Add(time.Millisecond) < boot.Now() })
	expiry := s.owner.expiry()
	s.must(s.hold(true))
	await(s.t, "answers of the second host to everything that is asked", func() bool { return s.answers(s.second) })
	if f.mend != nil {
		s.must(f.mend(s.owner))
		time.Sleep(20 * time.Millisecond) // in which a thawed owner could do wrong
	} else {
		s.start()
	}
	s.must(s.hold(false))
	time.Sleep(5 * time.Millisecond)
	s.judge(expiry)
}

// start starts the owner.
func (s *scene) start() { s.owner = startOwner(s.t, s.home.Host(), s.layer, "") }

// hold makes the second host hold the addresses, or hold them no more.
func (s *scene) hold(on bool) error {
	handle := s.second.Host().Handle()
	link, err := handle.LinkByName(s.second.Name())
	if err != nil {
		return err
	}
	for _, x := range s.leases {
		change, until := handle.AddrDel, clock.Instant(0)
		if on {
			change, until = handle.AddrAdd, boot.Now().Add(time.Hour)
		} else if err := x.Expire(); err != nil {
			return err
		}
		if err := change(link, hostAddress(x.Address())); err != nil {
			return err
		}
		if err := x.leases.Renew([]Renewal{{x, until}}); err != nil {
			return err
		}
	}
	return nil
}

// answers reports whether the port's host has answered everything that is asked.
func (s *scene) answers(p *rig.Port) bool {
	for k := none + 1; k < kinds; k++ {
		if first, _ := s.probe.span(p, k); first == 0 {
			return false
		}
	}
	return true
}

// judge notes how late the owner's last answers were.
func (s *scene) judge(expiry clock.Instant) {
	await(s.t, "an end of what the prober has to read", s.probe.read)
	time.Sleep(time.Millisecond) // it notes what it has read
	for k := none + 1; k < kinds; k++ {
		_, last := s.probe.span(s.home, k)
		first, _ := s.probe.span(s.second, k)
		s.late[k] = append(s.late[k], last.Sub(expiry))
		s.both = max(s.both, last.Sub(first))
	}
}

func (s *scene) report() {
	limit := time.Millisecond
	if s.layer == Nftables {
		limit = 5 * time.Millisecond
	}
	for k := none + 1; k < kinds; k++ {
		s.t.Log(k)
		punctual(s.t, s.late[k], limit)
	}
	s.t.Logf("two hosts answered for %v", s.both)
	if s.both > busy {
		s.t.Errorf("two hosts answered for %v", s.both)
	}
}

// busy is more than a busy machine delays a frame or its stamp.
const busy = 30 * time.Millisecond

// punctual fails when last packets came later after the expiry than the limit.
// Their stamps are those of a machine that may be busy, so a few may be late by
// little; what goes on after the expiry is later than that.
func punctual(t *testing.T, late []time.Duration, limit time.Duration) {
	t.Helper()
	slices.Sort(late)
	n := len(late)
	over := 0
	for _, d := range late {
		if d > limit {
			over++
		}
	}
	t.Logf("last packet from the expiry: first %v, median %v, last %v; more than %v late: %d of %d",
		late[0], late[n/2], late[n-1], limit, over, n)
	if over > n/10 || late[n-1] > busy {
		t.Errorf("%d of %d last packets came more than %v after the expiry", over, n, limit)
	}
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
