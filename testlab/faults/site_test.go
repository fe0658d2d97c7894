package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"vipd/seal"
	"vipd/testlab/rig"
	"vipd/vipd/control"
)

const (
	runDir      = "/run/vipd"
	servicePort = 7777
	front       = "vip:front"
	// limit is how long anything may take that is to happen within a second.
	limit = 30 * time.Second
	// steadily is how long a host must answer alone to be said to answer.
	steadily = 300 * time.Millisecond
	// round is more than the witness takes from one ask to the next.
	round = 200 * time.Millisecond
)

// heartbeat is slower than the default, for many laboratories share two cores.
const heartbeat = `cluster = "t"
key_file = "KEY"
[heartbeat]
interval = "200ms"
tolerance = 5
`

const nodes4 = `[node.hist-a]
addresses = ["192.0.2.11", "198.51.100.1"]
priority = 200
[node.hist-b]
addresses = ["192.0.2.12", "198.51.100.2"]
priority = 100
`

const pair4 = heartbeat + nodes4 + `[vip.front]
address = "192.0.2.10/24"
`

// site is a pair of hosts, their networks, and who watches.
type site struct {
	t       *testing.T
	lab     *rig.Lab
	dir     string
	shared  netip.Addr
	a, b    *node
	client  *rig.Host
	probe   *rig.Probe
	witness *rig.Witness
	began   time.Time
}

// node is one of the hosts.
type node struct {
	site   *site
	name   string
	config string
	state  string
	exe    string // "": the program as it is
	addrs  [2]netip.Prefix
	host   *rig.Host
	lan    *rig.Port
	cable  *rig.Port
	proc   *rig.Proc
	log    *buffer
}

// newSite builds a site whose nodes have this configuration; nothing runs yet.
func newSite(t *testing.T, config string) *site {
	t.Helper()
	return siteOf(t, config, "192.0.2.10", [4]string{"192.0.2.11/24", "198.51.100.1/24", "192.0.2.12/24", "198.51.100.2/24"}, "192.0.2.100/24")
}

func siteOf(t *testing.T, config, shared string, addrs [4]string, client string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), shared: netip.MustParseAddr(shared)}
	t.Cleanup(s.nothingIsLeft) // after the laboratory is gone
	s.lab = rig.Start(t)
	vipd(t)
	s.write("key", string(seal.NewKey().Text()))
	s.a = s.node("hist-a", config, addrs[0], addrs[1])
	s.b = s.node("hist-b", config, addrs[2], addrs[3])
	t.Cleanup(s.lastWords)
	s.client = s.lab.Host("client")
	eye := s.client.Plug(s.lab.Switch("service"), "eth0", netip.MustParsePrefix(client))
	s.probe = s.client.Probe(netip.AddrPortFrom(s.shared, servicePort))
	s.witness = eye.Witness(s.shared, 5*time.Millisecond)
	s.began = time.Now()
	return s
}

func (s *site) write(name, text string) string {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "KEY", filepath.Join(s.dir, "key"))), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *site) node(name, config, lan, cable string) *node {
	n := &node{site: s, name: name, log: &buffer{}, state: filepath.Join(s.dir, "state-"+name),
		addrs: [2]netip.Prefix{netip.MustParsePrefix(lan), netip.MustParsePrefix(cable)}}
	n.configure(config)
	n.power()
	return n
}

func (n *node) configure(text string) { n.config = n.site.write(n.name+".toml", text) }

// power boots the host, without a daemon.
func (n *node) power() {
	n.host = n.site.lab.Host(n.name)
	n.lan = n.host.Plug(n.site.lab.Switch("service"), "eth0", n.addrs[0])
	n.cable = n.host.Plug(n.site.lab.Switch("redundancy"), "eth1", n.addrs[1])
	n.host.Respond(servicePort)
}

// run starts the daemon.
func (n *node) run() {
	n.site.t.Helper()
	n.runInto(n.log)
}

func (n *node) runInto(log io.Writer) {
	n.site.t.Helper()
	exe := n.exe
	if exe == "" {
		exe = vipd(n.site.t)
	}
	proc, err := n.host.Start(rig.Process{Path: exe, Stdout: log, Stderr: log, Args: []string{
		"run", "--config", n.config, "--node", n.name, "--run-dir", runDir, "--state-dir", n.state}})
	if err != nil {
		n.site.t.Fatal(err)
	}
	n.proc = proc
}

// runWithoutReader starts the daemon with a log that takes a page and no more.
func (n *node) runWithoutReader() {
	n.site.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		n.site.t.Fatal(err)
	}
	n.site.t.Cleanup(func() { reader.Close(); writer.Close() })
	if _, err := unix.FcntlInt(writer.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
		n.site.t.Fatal(err)
	}
	n.runInto(writer)
}

// start starts both daemons and returns when the one of hist-a answers.
func (s *site) start() {
	s.t.Helper()
	s.a.run()
	s.b.run()
	s.answers(s.a)
}

// startInOrder starts the daemon of hist-a first: with failback off whoever is
// first keeps the address.
func (s *site) startInOrder() {
	s.t.Helper()
	s.a.run()
	s.answers(s.a)
	s.b.run()
	s.eventually("they hear each other", func() bool {
		st, err := s.b.control().Status(s.t.Context())
		return err == nil && st.Nodes[1].State == control.NodeUp && s.a.status().Nodes[1].State == control.NodeUp
	})
}

// answers waits until the host alone answers clients.
func (s *site) answers(n *node) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	if err := s.probe.Steady(ctx, n.name, steadily); err != nil {
		s.t.Fatal(err)
	}
}

// eventually waits until it is so.
func (s *site) eventually(what string, is func() bool) {
	s.t.Helper()
	for end := time.Now().Add(limit); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// oneAnswered fails if two hosts answered since.
func (s *site) oneAnswered(since time.Time) {
	s.t.Helper()
	s.notTwoFor(since, 0)
}

func (s *site) notTwoFor(since time.Time, most time.Duration) {
	s.t.Helper()
	if dual := s.witness.Dual(since, time.Now()); dual > most {
		s.t.Errorf("two hosts answered for %v, at most %v may be", dual, most)
	}
}

// silent fails if the host answered or announced the address since.
func (s *site) silent(n *node, since time.Time) {
	s.t.Helper()
	for _, span := range s.witness.Holders(since.Add(round), time.Now()) {
		if slices.Contains(span.Owners, n.name) {
			s.t.Errorf("%s answered %v after it must not", n.name, span.From.Sub(since))
			break
		}
	}
	for _, a := range s.witness.Announcements(since, time.Now()) {
		if a.Owner == n.name {
			s.t.Errorf("%s announced %v after it must not", n.name, a.At.Sub(since))
			break
		}
	}
}

// audit waits until the holder's kernel, and it alone, has every shared address,
// and every daemon that runs says so.
func (s *site) audit(holder *node, addresses ...string) {
	s.t.Helper()
	if len(addresses) == 0 {
		addresses = []string{s.shared.String()}
	}
	slices.Sort(addresses)
	for _, n := range []*node{s.a, s.b} {
		want := addresses
		if n != holder {
			want = nil
		}
		s.eventually(fmt.Sprintf("%s has exactly the shared addresses %v", n.name, want), func() bool {
			return slices.Equal(n.sharedAddresses(), want)
		})
		if n.proc != nil && n.proc.Alive() {
			s.eventually(fmt.Sprintf("%s says that %s holds", n.name, holder.name), func() bool {
				st, err := n.control().Status(s.t.Context())
				if err != nil {
					return !n.proc.Alive() // it was about to end
				}
				return !slices.ContainsFunc(st.Tokens, func(t control.TokenStatus) bool {
					return !slices.Equal(t.Holders, []string{holder.name})
				})
			})
		}
	}
}

// sharedAddresses lists what is on the host's service card beside its own.
func (n *node) sharedAddresses() (list []string) {
	link, err := n.host.Handle().LinkByName("eth0")
	if err != nil {
		return nil
	}
	all, _ := n.host.Handle().AddrList(link, netlink.FAMILY_ALL)
	for _, a := range all {
		ip, _ := netip.AddrFromSlice(a.IP)
		if ip = ip.Unmap(); ip != n.addrs[0].Addr() && !ip.IsLinkLocalUnicast() {
			list = append(list, ip.String())
		}
	}
	slices.Sort(list)
	return list
}

func (n *node) control() *control.Client { return control.Dial(n.host.Path(runDir)) }

func (n *node) status() control.Status {
	n.site.t.Helper()
	st, err := n.control().Status(n.site.t.Context())
	if err != nil {
		n.site.t.Fatalf("status of %s: %v", n.name, err)
	}
	return st
}

func (n *node) token(name string) control.TokenStatus {
	n.site.t.Helper()
	for _, t := range n.status().Tokens {
		if t.Name == name {
			return t
		}
	}
	n.site.t.Fatalf("%s knows no %s", n.name, name)
	return control.TokenStatus{}
}

// held waits until the node says that it alone holds the address, and returns what it says.
func (n *node) held() (t control.TokenStatus) {
	n.site.t.Helper()
	n.site.eventually(n.name+" says that it holds, and since when", func() bool {
		t = n.token(front)
		return slices.Equal(t.Holders, []string{n.name}) && t.SinceMS != nil
	})
	return t
}

// events are the node's journal of this run.
func (n *node) events() (list []control.Event) {
	for since := uint64(0); ; {
		page, err := n.control().Events(n.site.t.Context(), since)
		if err != nil || len(page.Events) == 0 {
			return list
		}
		list, since = append(list, page.Events...), page.Next
	}
}

// said counts the journal's lines that contain the words.
func (n *node) said(words string) (count int) {
	for _, e := range n.events() {
		if strings.Contains(e.Text, words) {
			count++
		}
	}
	return count
}

func (n *node) alarms() string { return strings.Join(n.status().Alarms, "\n") }

// signal sends the daemon a signal.
func (n *node) signal(sig syscall.Signal) {
	n.site.t.Helper()
	if err := n.proc.Signal(sig); err != nil {
		n.site.t.Fatal(err)
	}
}

// verb runs a verb of the program on the host.
func (n *node) verb(args ...string) (out string, code int) {
	n.site.t.Helper()
	var said buffer
	proc, err := n.host.Start(rig.Process{Path: vipd(n.site.t), Args: args, Stdout: &said, Stderr: &said})
	if err != nil {
		n.site.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(n.site.t.Context(), 2*limit)
	defer cancel()
	err = proc.Wait(ctx)
	var ended *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &ended):
		code = ended.ExitCode()
	default:
		n.site.t.Fatalf("vipd %s: %v", strings.Join(args, " "), err)
	}
	return said.String(), code
}

// cut parts the two nodes on both networks, silently.
func (s *site) cut() (heal func()) {
	lan, cable := s.a.lan.Cut(s.b.lan), s.a.cable.Cut(s.b.cable)
	return func() { lan(); cable() }
}

// deafen loses what one node sends the other on both networks.
func (s *site) deafen(from, to *node) (heal func()) {
	lan := s.lab.Switch("service").Drop(rig.Fault{From: from.lan, To: to.lan})
	cable := s.lab.Switch("redundancy").Drop(rig.Fault{From: from.cable, To: to.cable})
	return func() { lan(); cable() }
}

// lastWords shows what the daemons said, of a test that failed.
func (s *site) lastWords() {
	if !s.t.Failed() {
		return
	}
	for _, n := range []*node{s.a, s.b} {
		s.t.Logf("%s said:\n%s", n.name, n.log.String())
	}
	for _, span := range s.witness.Holders(s.began, time.Now()) {
		s.t.Logf("%8.3f s for %6.3f s: %v", span.From.Sub(s.began).Seconds(), span.To.Sub(span.From).Seconds(), span.Owners)
	}
}

// nothingIsLeft looks for processes that outlived their laboratory.
func (s *site) nothingIsLeft() {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), s.dir) {
			s.t.Errorf("a process is left: %q", strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
}

// buffer is what a program wrote.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
