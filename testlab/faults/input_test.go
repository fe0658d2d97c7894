package faults

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/seal"
	"vipd/testlab/rig"
	"vipd/vipd/control"
)

// What `vipd run` can't work with it refuses at once, saying what and where.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	open := s.write("open-key", string(seal.NewKey().Text()))
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	plain := s.write("plain", "not a directory")
	files := 0
	file := func(from, to string) []string {
		files++
		return []string{"--config", s.write(fmt.Sprintf("bad%d.toml", files), strings.Replace(pair4, from, to, 1))}
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"unknown key", file("priority = 200", "priorty = 200"), 3, `.toml:8:1: node.hist-a.priorty: unknown key; did you mean "priority"?`},
		{"address of two nodes", file("192.0.2.12", "192.0.2.11"), 3, ".toml:10:14: node.hist-b.addresses: 192.0.2.11"},
		{"address of a node shared", file("192.0.2.10/24", "192.0.2.11/24"), 3, ".toml:13:11: vip.front.address: 192.0.2.11"},
		{"no TOML", file("[vip.front]", "[vip.front"), 3, ".toml:12:"},
		{"no file", []string{"--config", "/no/such/file"}, 3, "/no/such/file"},
		{"none of the nodes", append(file(`"192.0.2.11", "198.51.100.1"`, `"192.0.2.14", "198.51.100.4"`), "--node", ""), 1, "this host is none of the nodes: it has 127.0.0.1, 192.0.2.11, 198.51.100.1, ::1"},
		{"no such node", []string{"--node", "hist-z"}, 2, "--node hist-z: no such node in the configuration; the nodes are: hist-a, hist-b"},
		{"the other node", []string{"--node", "hist-b"}, 3, "--node hist-b: this host has 192.0.2.11, an address of node hist-a, and none of node hist-b: run it as --node hist-a"},
		{"no key file", file("KEY", "/no/key"), 3, ".toml:2:12: key_file: key file /no/key: no such file or directory; copy it from another node, or make one: vipd key generate --out /no/key"},
		{"key file open to all", file("KEY", open), 3, "mode 0644 lets others at the key; run: chmod 0600 " + open},
		{"run dir is a file", []string{"--run-dir", plain}, 1, plain},
		{"unknown flag", []string{"--nod", "hist-a"}, 2, `did you mean "--node"?`},
		{"an argument", []string{"now"}, 2, `takes no argument, but got "now"`},
	} {
		args := append([]string{"run", "--config", s.a.config, "--node", "hist-a", "--run-dir", runDir, "--state-dir", s.a.state}, c.args...)
		out, code := s.a.verb(args...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, want %d; said %q, want %q in it", c.name, code, c.code, out, c.want)
		}
		if left := s.a.sharedAddresses(); len(left) != 0 {
			t.Errorf("%s: left %v behind", c.name, left)
		}
	}
	s.start()
	out, code := s.a.verb("run", "--config", s.a.config, "--node", "hist-a", "--run-dir", runDir, "--state-dir", s.a.state)
	if want := "another vipd runs in this network namespace (pid " + strconv.Itoa(s.a.proc.PID()) + ")"; code != control.CodeHeld || !strings.Contains(out, want) {
		t.Errorf("a second daemon: exit %d: %s", code, out)
	}
	other := s.write("other.toml", strings.Replace(pair4, `cluster = "t"`, `cluster = "other"`, 1))
	out, code = s.a.verb("run", "--config", other, "--node", "hist-a", "--run-dir", t.TempDir(), "--state-dir", t.TempDir())
	if code != control.CodeHeld {
		t.Errorf("a second daemon with nothing in common: exit %d: %s", code, out)
	}
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
	for _, text := range []string{"put back", "is back"} {
		if n := s.a.said(text); n != 0 {
			t.Errorf("the second daemon touched what the first has: %q %d times", text, n)
		}
	}
}

// An address that fits no interface is an alarm, not an end: the others are served.
func TestAddressOnNoInterface(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4+"[vip.lost]\naddress = \"203.0.113.9/24\"\n")
	s.start()
	for _, n := range []*node{s.a, s.b} {
		if text := n.alarms(); !strings.Contains(text, "203.0.113.9: no interface has both a network that contains it") || !strings.Contains(text, "nobody holds vip:lost") {
			t.Errorf("%s: alarms: %s", n.name, text)
		}
	}
	for i, n := range []*node{s.a, s.b} { // the network comes up later
		link, err := n.host.Handle().LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		own := &net.IPNet{IP: net.IPv4(203, 0, 113, byte(1+i)), Mask: net.CIDRMask(24, 32)}
		if err := n.host.Handle().AddrAdd(link, &netlink.Addr{IPNet: own}); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually("it is held, and the alarm is over", func() bool { return s.a.token("vip:lost").Holder == "hist-a" && s.a.alarms() == "" })
	s.answers(s.a)
	s.oneAnswered(s.began)
}

// Another cluster on the same group and port disturbs nobody, and each is named
// to the other once.
func TestUnrelatedCluster(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	s.write("other-key", string(seal.NewKey().Text()))
	other := s.lab.Host("other")
	other.Plug(s.lab.Switch("service"), "eth0", netip.MustParsePrefix("192.0.2.51/24"))
	config := s.write("other.toml", `cluster = "other"
key_file = "`+filepath.Join(s.dir, "other-key")+`"
[node.lonely]
addresses = ["192.0.2.51"]
[vip.mine]
address = "192.0.2.60/24"
`)
	said := &buffer{}
	proc, err := other.Start(rig.Process{Path: vipd(t), Stdout: said, Stderr: said, Args: []string{
		"run", "--config", config, "--run-dir", runDir, "--state-dir", filepath.Join(s.dir, "other-state")}})
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Kill()
	s.eventually("each names the other", func() bool {
		return s.a.said("192.0.2.51 is of another cluster") == 1 && s.b.said("192.0.2.51 is of another cluster") == 1 &&
			strings.Contains(said.String(), "192.0.2.11 is of another cluster")
	})
	s.eventually("the other cluster works", func() bool { return strings.Contains(said.String(), "vip:mine active") })
	s.eventually("what was refused is counted", func() bool { return s.a.status().Dropped["cluster"] > 3 && s.a.status().Dropped["kernel"] > 20 })
	if n := s.a.said("another cluster"); n != 1 {
		t.Errorf("named %d times in a minute, want once", n)
	}
	s.audit(s.a)
	s.oneAnswered(s.began)
}

// A peer with another key is named with what to change; it holds for itself, as
// nobody can tell it from a cut.
func TestPeerWithAnotherKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.write("other-key", string(seal.NewKey().Text()))
	s.b.configure(strings.Replace(pair4, "KEY", filepath.Join(s.dir, "other-key"), 1))
	s.a.run()
	s.b.run()
	for _, n := range []*node{s.a, s.b} {
		s.eventually(n.name+" names the other", func() bool {
			_, err := n.control().Status(t.Context())
			return err == nil && n.said("seals with another key") >= 2 && strings.Contains(n.alarms(), "seals with another key") // it has two addresses
		})
		if n.status().Dropped["key"] == 0 {
			t.Errorf("%s does not count", n.name)
		}
	}
	if s.a.said("hist-b (192.0.2.12) seals with another key") != 1 || s.a.said("copy the same key_file to all nodes") != 2 {
		t.Error("not said who, or what to change")
	}
}

// Whatever else comes to the port changes nothing.
func TestGarbageOnThePort(t *testing.T) {
	t.Parallel()
	s := newSite(t, pair4)
	s.start()
	err := s.client.Do(func() error {
		conn, err := net.Dial("udp", "192.0.2.11:7000")
		if err != nil {
			return err
		}
		defer conn.Close()
		versioned := make([]byte, 200)
		versioned[0] = 9
		for range 500 {
			for _, b := range [][]byte{nil, {1}, versioned, make([]byte, 1400)} {
				conn.Write(b)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.eventually("it is counted", func() bool {
		d := s.a.status().Dropped
		return d["short"] > 100 && d["version"] > 100 && d["kernel"] > 1000
	})
	if n := s.a.said("192.0.2.100 speaks another wire version"); n != 1 {
		t.Errorf("named %d times, want once", n)
	}
	s.answers(s.a)
	s.audit(s.a)
	s.oneAnswered(s.began)
}

// A full state disk is an alarm; what is held stays, and a take-over still works.
func TestFullStateDisk(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs a file system of its own: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	s := newSite(t, pair4)
	s.b.state = disk
	s.start()
	ballast, err := os.Create(filepath.Join(disk, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	for err == nil {
		_, err = ballast.Write(make([]byte, 4096))
	}
	s.b.expect(0, "is suspended", "suspend", "hist-b")
	s.eventually("it is an alarm", func() bool { return strings.Contains(s.b.alarms(), "no space left on device") })
	s.b.expect(0, "takes part again", "resume", "hist-b")
	s.a.signal(syscall.SIGTERM)
	s.answers(s.b)
	s.audit(s.b)
	if err := ballast.Truncate(0); err != nil {
		t.Fatal(err)
	}
	s.b.expect(control.CodeUnsafe, "--force", "suspend", "hist-b")
	s.b.expect(0, "is suspended", "suspend", "hist-b", "--force")
	s.eventually("the alarm is over", func() bool { return !strings.Contains(s.b.alarms(), "no space left") })
	s.oneAnswered(s.began)
}

// Hooks that fail or hang are told of and keep nothing from happening; those that
// work get their words, at a stop too.
func TestHooks(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "roles")
	tell := `'echo $VIPD_NODE $VIPD_ROLE $VIPD_TOKEN >> ` + out + `'`
	s := newSite(t, strings.Replace(pair4, "[vip.front]", `[vip.front]
hook_timeout = "400ms"
on_active = ["/no/such/hook", "/bin/sh -c 'echo it hurts; exit 7'", "/bin/sleep 60", "/bin/sh -c `+tell+`"]
on_standby = ["/bin/sh -c `+tell+`"]`, 1))
	s.startInOrder()
	roles := func() string { text, _ := os.ReadFile(out); return string(text) }
	s.eventually("the last hook ran", func() bool { return roles() == "hist-a active vip:front\n" })
	for _, want := range []string{"/no/such/hook", "exit status 7: it hurts", "/bin/sleep 60: killed: not done within 400ms"} {
		if s.a.said(want) != 1 {
			t.Errorf("the journal does not tell of %q", want)
		}
	}
	s.a.signal(syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := s.a.proc.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(roles(), "hist-a standby vip:front\n") {
		t.Errorf("it ended before its hook for standby: %q", roles())
	}
	s.answers(s.b)
	s.oneAnswered(s.began)
}
