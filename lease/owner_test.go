package lease

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/testlab/rig"
)

// The owner is a process of its own in its host: it holds both shared addresses
// and renews their leases every tenth of a lease, until it is told to be wedged,
// or finds that it was frozen and its lease has run out. A grant begins anew.
const (
	ownerVariable = "VIPD_LEASE_OWNER" // layer, page, and a control group to hold instead
	ownerLease    = 100 * time.Millisecond
	signalGrant   = syscall.SIGUSR1
	signalWedge   = syscall.SIGUSR2
	ownerReady    = 1 // as expiry: it has armed and waits for a grant
)

// page is what the owner tells: when its lease ends.
type page struct{ memory []byte }

func openPage(path string) (page, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return page{}, err
	}
	defer file.Close()
	if err := file.Truncate(8); err != nil {
		return page{}, err
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, 8, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return page{memory}, err
}

func (p page) expiry() *atomic.Int64 { return (*atomic.Int64)(unsafe.Pointer(&p.memory[0])) }

func beOwner() int {
	if err := own(os.Getenv(ownerVariable)); err != nil {
		fmt.Fprintln(os.Stderr, "owner:", err)
		return 1
	}
	return 0
}

func own(order string) error {
	layer, rest, _ := strings.Cut(order, " ")
	path, group, _ := strings.Cut(rest, " ")
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, signalGrant, signalWedge)
	published, err := openPage(path)
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	l, err := Open(Options{Prefer: Layer(layer)})
	if err != nil {
		return err
	}
	if l.Layer() != Layer(layer) {
		return fmt.Errorf("layer %s: %s", l.Layer(), l.Why())
	}
	renewals, err := take(l, group)
	if err != nil {
		return err
	}
	return keep(l, renewals, published, signals)
}

// take arms both leases and then adds the addresses, or arms the group's.
func take(l *Leases, group string) (renewals []Renewal, err error) {
	if group != "" {
		x, err := l.ArmCgroup(group)
		return []Renewal{{Lease: x}}, err
	}
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return nil, err
	}
	for _, address := range []netip.Addr{shared4, shared6} {
		list, err := l.Arm([]netip.Addr{address}, link.Attrs().Index)
		if err != nil {
			return nil, err
		}
		if err := netlink.AddrReplace(link, hostAddress(address)); err != nil {
			return nil, err
		}
		renewals = append(renewals, Renewal{Lease: list[0]})
	}
	return renewals, nil
}

func hostAddress(address netip.Addr) *netlink.Addr {
	bits := address.BitLen()
	return &netlink.Addr{
		IPNet: &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(bits, bits)}, Flags: unix.IFA_F_NODAD,
	}
}

// keep renews while it may.
func keep(l *Leases, renewals []Renewal, published page, signals <-chan os.Signal) error {
	ticker := time.NewTicker(ownerLease / 10)
	defer ticker.Stop()
	published.expiry().Store(ownerReady)
	held := false
	for {
		select {
		case s := <-signals:
			held = s == signalGrant
			if held {
				published.expiry().Store(int64(boot.Now().Add(ownerLease)))
			}
		case <-ticker.C:
		}
		now := boot.Now()
		if held = held && now < clock.Instant(published.expiry().Load()); !held {
			continue
		}
		until := now.Add(ownerLease)
		published.expiry().Store(int64(until))
		for i := range renewals {
			renewals[i].Until = until
		}
		if err := l.Renew(renewals); err != nil && !strings.Contains(err.Error(), "took more than") {
			return err
		}
	}
}

// owner is that process as the test sees it.
type owner struct {
	*rig.Proc
	page page
}

func startOwner(t *testing.T, h *rig.Host, layer Layer, group string) *owner {
	t.Helper()
	path := filepath.Join(rig.Disk, "expiry")
	published, err := openPage(path)
	if err != nil {
		t.Fatal(err)
	}
	published.expiry().Store(0)
	process, err := h.Start(rig.Process{
		Path: "/proc/self/exe", Env: []string{ownerVariable + "=" + string(layer) + " " + path + " " + group}, Stderr: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := &owner{process, published}
	await(t, "the owner's process", func() bool { return o.expiry() == ownerReady || !o.Alive() })
	if !o.Alive() {
		t.Fatal("the owner's process ended")
	}
	return o
}

func await(t *testing.T, what string, come func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !come(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no sign of %s", what)
		}
	}
}

func (o *owner) expiry() clock.Instant { return clock.Instant(o.page.expiry().Load()) }
