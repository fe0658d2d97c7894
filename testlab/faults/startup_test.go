package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// withoutVariable has the test's own program become the one of its arguments, without the
// capabilities that the value names by number.
const withoutVariable = "VIPD_TEST_WITHOUT"

func init() {
	lost := os.Getenv(withoutVariable)
	if lost == "" {
		return
	}
	os.Unsetenv(withoutVariable)
	runtime.LockOSThread() // capabilities are a thread's
	for _, word := range strings.Split(lost, ",") {
		n, err := strconv.Atoi(word)
		if err == nil {
			err = unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "drop", word, err)
			os.Exit(99)
		}
	}
	fmt.Fprintln(os.Stderr, syscall.Exec(os.Args[1], os.Args[1:], os.Environ()))
	os.Exit(99)
}

// runWithout starts the daemon without the capabilities.
func (n *node) runWithout(capabilities string, args ...string) {
	n.site.t.Helper()
	proc, err := n.host.Start(rig.Process{Path: os.Args[0], Stdout: n.log, Stderr: n.log, Env: []string{withoutVariable + "=" + capabilities},
		Args: append([]string{vipd(n.site.t), "run", "--config", n.config, "--node", n.name, "--run-dir", runDir, "--state-dir", n.state}, args...)})
	if err != nil {
		n.site.t.Fatal(err)
	}
	n.proc = proc
}

// ends waits for the daemon's end and returns its exit code.
func (n *node) ends() int {
	n.site.t.Helper()
	ctx, cancel := context.WithTimeout(n.site.t.Context(), 2*limit)
	defer cancel()
	err := n.proc.Wait(ctx)
	var ended *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &ended):
		return ended.ExitCode()
	}
	n.site.t.Fatalf("%s: %v", n.name, err)
	return -1
}

// A host that may not change addresses does not run, says which right is missing, and
// takes nothing from the one that serves. Rights that it can do without keep it from
// nothing.
func TestRunWithoutRights(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.b.run()
	s.answers(s.b)
	for _, c := range []struct{ lost, want string }{
		{"12", "CAP_NET_ADMIN is missing, to add and remove addresses"},
		{"13", "CAP_NET_RAW is missing"},
		{"12,13", "CAP_NET_RAW is missing"},
	} {
		s.a.runWithout(c.lost)
		if code := s.a.ends(); code != control.CodePermission || !strings.Contains(s.a.log.String(), c.want) {
			t.Errorf("without %s: exit %d, want %d and %q", c.lost, code, control.CodePermission, c.want)
		}
	}
	if n := s.b.said("dropping"); n != 0 {
		t.Error("the host that serves has let go")
	}
	s.answers(s.b)
	s.a.configure(strings.Replace(pair4, "[node.hist-a]", "[multicast]\nport = 700\n[node.hist-a]", 1))
	s.a.runWithout("10")
	if code := s.a.ends(); code != control.CodePermission || !strings.Contains(s.a.log.String(), "CAP_NET_BIND_SERVICE is missing, which ports below 1024 need") {
		t.Errorf("a port that needs a right: exit %d", code)
	}
	s.a.configure(pair4)
	s.a.runWithout("21,23,39") // CAP_SYS_ADMIN, CAP_SYS_NICE, CAP_BPF: the lesser layers do
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
}

// A port that another program has: the daemon says which, and which program, and does not
// run beside it. Where one path can be opened it runs, with an alarm, and has the other
// one as soon as the port is free.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.b.run()
	s.answers(s.b)
	all := s.a.occupy("0.0.0.0:7000")
	s.a.run()
	want := fmt.Sprintf("UDP port 7000 of 192.0.2.11 is in use by %q (pid %d)", ownName(t), os.Getpid())
	if code := s.a.ends(); code != control.CodeHeld || !strings.Contains(s.a.log.String(), want) {
		t.Errorf("exit %d, want %d and %q", code, control.CodeHeld, want)
	}
	s.answers(s.b)
	all.Close()
	one := s.a.occupy("198.51.100.1:7000")
	s.a.run()
	s.answers(s.a)
	if text := s.a.alarms(); !strings.Contains(text, "UDP port 7000 of 198.51.100.1 is in use by") {
		t.Errorf("alarms: %s", text)
	}
	one.Close()
	s.eventually("the path is open, and the alarm over", func() bool {
		st := s.a.status()
		return !strings.Contains(strings.Join(st.Alarms, "\n"), "7000") && st.Nodes[1].Paths[1].Up
	})
	s.audit(s.a)
	s.oneAnswered(s.began)
}

// occupy has this process have a UDP address of the host.
func (n *node) occupy(address string) (conn net.PacketConn) {
	n.site.t.Helper()
	err := n.host.Do(func() (err error) {
		conn, err = net.ListenPacket("udp", address)
		return err
	})
	if err != nil {
		n.site.t.Fatal(err)
	}
	n.site.t.Cleanup(func() { conn.Close() })
	return conn
}

// ownName is this process's name as the kernel has it.
func ownName(t *testing.T) string {
	t.Helper()
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

// A state file of no use keeps no host from serving: it is set aside, an alarm says so, and
// what nobody inherits waits for a peer's word.
func TestUnusableState(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4+`[vip.kept]
address = "192.0.2.30/24"
disable_inheritance = true
`)
	os.Mkdir(s.a.state, 0o700)
	path := filepath.Join(s.a.state, "state.json")
	for n, text := range []string{"", "{", strings.Repeat("\x00", 400), `{"version":7}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.a.run()
		s.answers(s.a)
		aside := fmt.Sprintf("%s.unusable.%d", path, n+1)
		if kept, err := os.ReadFile(aside); err != nil || string(kept) != text {
			t.Errorf("%q is not kept as %s: %v", text, aside, err)
		}
		if alarms := s.a.alarms(); !strings.Contains(alarms, aside) {
			t.Errorf("alarms: %s", alarms)
		}
		if holder := s.a.token("vip:kept").Holder; holder != "" {
			t.Errorf("what nobody inherits is held by %s on no word", holder)
		}
		s.a.signal(syscall.SIGKILL)
		s.a.ends()
	}
	s.a.run()
	s.b.run()
	s.answers(s.a)
	s.eventually("the peer's word is enough", func() bool { return s.a.token("vip:kept").Holder == "hist-a" })
	s.oneAnswered(s.began)
}

// Two hosts whose state can't be written serve what may be inherited all the same.
func TestReadOnlyState(t *testing.T) {
	t.Parallel()
	disk := t.TempDir() // the hosts have it with their mounts
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs a file system of its own: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	s := newSite(t, pair4+`[vip.kept]
address = "192.0.2.30/24"
disable_inheritance = true
`)
	remount := func(flags uintptr) {
		if err := unix.Mount("", disk, "", unix.MS_REMOUNT|flags, "size=64k"); err != nil {
			t.Fatal(err)
		}
	}
	s.a.state, s.b.state = filepath.Join(disk, "a"), filepath.Join(disk, "b")
	remount(unix.MS_RDONLY)
	s.start()
	s.eventually("both say so", func() bool {
		return strings.Contains(s.a.alarms(), "read-only file system") && strings.Contains(s.b.alarms(), "read-only file system")
	})
	if holder := s.a.token("vip:kept").Holder; holder != "" {
		t.Errorf("held by %s without a record", holder)
	}
	s.a.host.Destroy()
	s.answers(s.b)
	remount(0)
	s.eventually("the alarm is over by itself", func() bool { return !strings.Contains(s.b.alarms(), "read-only") })
	s.oneAnswered(s.began)
}

// An address of another node that turns up on a running host is an alarm.
func TestAddressOfAnotherNode(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	link, err := s.a.host.Handle().LinkByName("eth1")
	if err != nil {
		t.Fatal(err)
	}
	other := &net.IPNet{IP: net.IPv4(198, 51, 100, 2), Mask: net.CIDRMask(32, 32)}
	if err := s.a.host.Handle().AddrAdd(link, &netlink.Addr{IPNet: other}); err != nil {
		t.Fatal(err)
	}
	s.eventually("it is named", func() bool {
		return strings.Contains(s.a.alarms(), "also has 198.51.100.2, an address of node hist-b")
	})
}

// A machine that was cloned runs as a node that there is already: the node and its operator
// are told where the other one is.
func TestCloneOfANode(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	clone := s.lab.Host("clone")
	clone.Plug(s.lab.Switch("service"), "eth0", netip.MustParsePrefix("192.0.2.13/24"))
	config := s.write("clone.toml", strings.Replace(pair4, `"192.0.2.11", "198.51.100.1"`, `"192.0.2.13", "198.51.100.3"`, 1))
	said := &buffer{}
	proc, err := clone.Start(rig.Process{Path: vipd(t), Stdout: said, Stderr: said, Args: []string{
		"run", "--config", config, "--node", "hist-a", "--run-dir", runDir, "--state-dir", filepath.Join(s.dir, "clone-state")}})
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Kill()
	s.eventually("the node says that it is not alone", func() bool {
		return strings.Contains(s.a.alarms(), "192.0.2.13 also sends as node hist-a, which this host is: two hosts run as the same node")
	})
	if n := s.a.said("192.0.2.13 also sends as node"); n != 1 {
		t.Errorf("said %d times, want once a minute", n)
	}
}

// A restart is no gap in which a second daemon could begin.
func TestRestartKeepsSecondOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	exe := vipd(t)
	stop, ended := make(chan struct{}), make(chan string, 1)
	args := []string{"run", "--config", s.a.config, "--node", "hist-a", "--run-dir", t.TempDir(), "--state-dir", t.TempDir()}
	go func() {
		for {
			select {
			case <-stop:
				ended <- ""
				return
			default:
			}
			said := &buffer{}
			p, err := s.a.host.Start(rig.Process{Path: exe, Args: args, Stdout: said, Stderr: said})
			if err != nil {
				ended <- err.Error()
				return
			}
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			err = p.Wait(ctx)
			cancel()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != control.CodeHeld {
				p.Kill()
				ended <- fmt.Sprintf("a second daemon: %v: %s", err, said)
				return
			}
		}
	}()
	for range 5 {
		s.a.expect(0, "restarted in", "restart")
	}
	close(stop)
	if why := <-ended; why != "" {
		t.Error(why)
	}
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
}

// A run directory without room is an alarm, and the host serves; what would need the room
// is not done.
func TestFullRunDir(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs a file system of its own: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	s := newSite(t, pair4)
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	ballast.Close()
	s.a.proc, err = s.a.host.Start(rig.Process{Path: vipd(t), Stdout: s.a.log, Stderr: s.a.log, Args: []string{
		"run", "--config", s.a.config, "--node", s.a.name, "--run-dir", disk, "--state-dir", s.a.state}})
	if err != nil {
		t.Fatal(err)
	}
	s.b.run()
	s.answers(s.a)
	st, err := control.Dial(disk).Status(t.Context())
	if text := strings.Join(st.Alarms, "\n"); err != nil || !strings.Contains(text, "leases can't be kept for the next daemon") {
		t.Errorf("%v; alarms: %s", err, text)
	}
	s.a.host.Destroy()
	s.answers(s.b)
	s.oneAnswered(s.began)
}
