package lease

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vipd/heartbeat/clock"
	"vipd/host/boot"
	"vipd/host/cgroup"
	"vipd/testlab/rig"
)

// writerVariable makes this program a service: it sends a datagram to the
// address each millisecond for as long as it lives.
const writerVariable = "VIPD_LEASE_WRITER"

func beWriter() int {
	conn, err := net.Dial("udp", os.Getenv(writerVariable))
	if err != nil {
		return 1
	}
	for {
		now := binary.NativeEndian.AppendUint64(nil, uint64(boot.Now()))
		conn.Write(now) // a datagram that is dropped is an error here
		time.Sleep(time.Millisecond)
	}
}

// startWriter starts the service, born in the control group.
func startWriter(t *testing.T, h *rig.Host, group string, to netip.AddrPort) *exec.Cmd {
	t.Helper()
	folder, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), writerVariable+"="+to.String())
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(folder.Fd())}
	if err := h.Do(cmd.Start); err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

// receiver notes when the last datagram that came was sent: however busy the machine,
// what was sent after the lease's end must never come.
type receiver struct{ last, count atomic.Int64 }

func startReceiver(t *testing.T, h *rig.Host, at netip.AddrPort) *receiver {
	t.Helper()
	var conn *net.UDPConn
	err := h.Do(func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := &receiver{}
	go func() {
		buffer := make([]byte, 64)
		for {
			n, _, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			if n >= 8 {
				r.last.Store(int64(binary.NativeEndian.Uint64(buffer)))
			}
			r.count.Add(1)
		}
	}()
	return r
}

// testGroup makes a control group of the host. Inside is its path there, outside
// where this process finds it.
func testGroup(t *testing.T, h *rig.Host, name string) (inside, outside string) {
	t.Helper()
	rig.Need(t, rig.BPF)
	root, err := cgroup.Root()
	if err != nil {
		rig.Missing(t, "cgroup2", err)
	}
	inside = filepath.Join(root, "lease-test-"+name)
	outside = h.Path(inside)
	if err := os.Mkdir(outside, 0o755); err != nil && !os.IsExist(err) {
		rig.Missing(t, "cgroup2", err)
	}
	t.Cleanup(func() { os.Remove(outside) })
	return inside, outside
}

// TestGroupDeadMan stops a daemon that renews the lease of a service's control
// group, and looks when the service's last packet came. The service lives on.
func TestGroupDeadMan(t *testing.T) {
	home, client := pair(t)
	inside, folder := testGroup(t, home.Host(), "service")
	o := startOwner(t, home.Host(), BPF, inside)
	to := netip.AddrPortFrom(peer4.Addr(), 9000)
	r := startReceiver(t, client.Host(), to)
	service := startWriter(t, home.Host(), folder, to)
	var late []time.Duration
	for range trials() {
		before := r.count.Load()
		if err := o.Signal(signalGrant); err != nil {
			t.Fatal(err)
		}
		await(t, "the service's packets", func() bool { return r.count.Load() > before })
		if err := o.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		await(t, "the expiry", func() bool { return o.expiry().Add(20*time.Millisecond) < boot.Now() })
		expiry := o.expiry()
		if err := o.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // in which a thawed daemon could do wrong
		late = append(late, clock.Instant(r.last.Load()).Sub(expiry))
	}
	punctual(t, late, time.Millisecond)
	if err := service.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the service: %v", err)
	}
	o.Kill()
}

// TestGroupAdopt has a second daemon take a group's lease over, lose its program
// and put it back, and let the group go.
func TestGroupAdopt(t *testing.T) {
	home, client := pair(t)
	_, folder := testGroup(t, home.Host(), "adopted")
	to := netip.AddrPortFrom(peer4.Addr(), 9001)
	r := startReceiver(t, client.Host(), to)
	flows := func() bool {
		before := r.count.Load()
		time.Sleep(30 * time.Millisecond)
		return r.count.Load() > before+5
	}
	old := open(t, home.Host(), Options{Prefer: BPF})
	x, err := old.ArmCgroup(folder)
	if err != nil {
		t.Fatal(err)
	}
	startWriter(t, home.Host(), folder, to)
	if flows() {
		t.Error("packets before the first renewal")
	}
	renew(t, x, time.Hour)
	was := x.Expiry()
	old.Close()
	l := open(t, home.Host(), Options{Prefer: BPF})
	if x, err = l.ArmCgroup(folder); err != nil {
		t.Fatal(err)
	}
	if x.Expiry() != was || !flows() {
		t.Errorf("adopted a lease until %d, not %d", x.Expiry(), was)
	}
	p := l.in.(*programs)
	g := p.groups[folder]
	if g.program != nil {
		t.Error("a second program was attached beside the adopted one")
	}
	if events := p.audit(); len(events) > 0 {
		t.Errorf("told %v", events)
	}
	g.number = 1<<31 - 1 // as if someone had detached what was there
	if events := p.audit(); len(events) != 1 || events[0].Err != nil {
		t.Errorf("told %v of a program that is not attached", events)
	}
	if err := x.Expire(); err != nil || flows() {
		t.Errorf("packets after the end, error %v", err)
	}
}

// TestGroupEvicts arms a group on which a program of a lost table was left, such as
// of a daemon whose network namespace is gone.
func TestGroupEvicts(t *testing.T) {
	home, client := pair(t)
	_, folder := testGroup(t, home.Host(), "evicted")
	to := netip.AddrPortFrom(peer4.Addr(), 9003)
	r := startReceiver(t, client.Host(), to)
	startWriter(t, home.Host(), folder, to)
	lost := open(t, client.Host(), Options{Prefer: BPF}) // another network, so another table
	if _, err := lost.ArmCgroup(folder); err != nil {
		t.Fatal(err)
	}
	x, err := open(t, home.Host(), Options{Prefer: BPF}).ArmCgroup(folder)
	if err != nil {
		t.Fatal(err)
	}
	renew(t, x, time.Hour)
	before := r.count.Load()
	await(t, "packets of a group whose lease lasts", func() bool { return r.count.Load() > before+5 })
}

// TestGroupDisarm lets a group go that this daemon armed, and one that an earlier
// one did.
func TestGroupDisarm(t *testing.T) {
	home, client := pair(t)
	_, folder := testGroup(t, home.Host(), "disarmed")
	to := netip.AddrPortFrom(peer4.Addr(), 9002)
	r := startReceiver(t, client.Host(), to)
	startWriter(t, home.Host(), folder, to)
	for _, adopted := range []bool{false, true} {
		l := open(t, home.Host(), Options{Prefer: BPF})
		x, err := l.ArmCgroup(folder)
		if adopted {
			l.Close()
			l = open(t, home.Host(), Options{Prefer: BPF})
			x, err = l.ArmCgroup(folder)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		before := r.count.Load()
		if err := x.Disarm(); err != nil {
			t.Error(err)
		}
		await(t, "packets of a group without a lease", func() bool { return r.count.Load() > before+5 })
		l.Close()
	}
}

// TestGroupRefused arms what is no control group, and one without BPF.
func TestGroupRefused(t *testing.T) {
	home, _ := pair(t)
	if l := open(t, home.Host(), Options{Prefer: Nftables}); l.Why() == "" {
		t.Error("nothing says why BPF is not in force")
	} else if _, err := l.ArmCgroup("/proc"); err == nil {
		t.Error("armed a group without BPF")
	}
	rig.Need(t, rig.BPF)
	l := open(t, home.Host(), Options{Prefer: BPF})
	for _, path := range []string{"/proc", "/does/not/exist"} {
		if _, err := l.ArmCgroup(path); err == nil {
			t.Errorf("armed %s", path)
		}
	}
}
