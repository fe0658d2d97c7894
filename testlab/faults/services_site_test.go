package faults

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vipd/seal"
	"vipd/services/unit"
	"vipd/testlab/rig"
	"vipd/testlab/standin"
	"vipd/vipd/control"
)

const (
	dataPort  = 7801
	storePort = 7900

	dataGroup    = "data"
	historyGroup = "history"
	history      = "group:" + historyGroup
)

// plantConfig is the pair with services: both run a data server, which the address
// needs, and one of them runs a historian. Nothing goes back by itself.
const plantConfig = heartbeat + nodes4 + `[vip.front]
address = "192.0.2.10/24"
requires = ["data"]
auto_failback = false

[group.data]
kind = "dataserver"
units = ["exec:FOLDER/standin-dataserver -port 7801 -page 7802 -whims FOLDER/data"]
check = ["http://127.0.0.1:7802/"]
` + quickly + `
[group.history]
kind = "historian"
units = ["exec:FOLDER/standin-rtdb -port 7803", "exec:FOLDER/standin-historian -store 192.0.2.100:7900 -page 7804 -whims FOLDER/history"]
check = ["http://127.0.0.1:7804/"]
auto_failback = false
disable_inheritance = false
` + quickly

// quickly is the pace of a group in these tests.
const quickly = `check_interval = "100ms"
check_timeout = "300ms"
rise = 1
fall = 3
restart = { attempts = 1, within = "1m" }
stop_timeout = "500ms"
start_grace = "1s"
`

// plant is a site with services, and a store for its historian. Its client asks the
// data server by the shared address.
type plant struct {
	*site
	store   standin.Store
	runners map[string]*runners // by group
}

// plants counts them: hosts of one name, in laboratories that stand at one time, would
// share their control groups.
var plants atomic.Int32

// ranBefore has the nodes have run before: a daemon whose disk knows of no start, on a host
// whose clock is not synchronised, has no start counter.
func (s *site) ranBefore() {
	for _, n := range []*node{s.a, s.b} {
		if err := os.MkdirAll(n.state, 0o750); err != nil {
			s.t.Fatal(err)
		}
		s.write(filepath.Join(filepath.Base(n.state), "state.json"), `{"version":1,"start":1}`)
	}
}

// newPlant makes a plant of plantConfig with old texts replaced by new ones.
func newPlant(t *testing.T, oldnew ...string) *plant {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), shared: netip.MustParseAddr("192.0.2.10")}
	t.Cleanup(s.nothingIsLeft) // after the laboratory is gone
	s.lab = rig.Start(t)
	self, err := os.Executable()
	if err == nil {
		err = standin.Install(self, s.dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.write("key", string(seal.NewKey().Text()))
	p := &plant{site: s, runners: map[string]*runners{}}
	number := strconv.Itoa(int(plants.Add(1)))
	config := p.named(number, strings.NewReplacer(oldnew...).Replace(plantConfig))
	s.a = s.node("hist-a"+number, config, "192.0.2.11/24", "198.51.100.1/24")
	s.b = s.node("hist-b"+number, config, "192.0.2.12/24", "198.51.100.2/24")
	s.ranBefore()
	p.needsCgroups()
	t.Cleanup(p.lastServices)
	s.client = s.lab.Host("client")
	eye := s.client.Plug(s.lab.Switch("service"), "eth0", netip.MustParsePrefix("192.0.2.100/24"))
	p.openStore()
	s.probe = s.client.Probe(netip.AddrPortFrom(s.shared, dataPort))
	s.witness = eye.Witness(s.shared, 5*time.Millisecond)
	s.began = time.Now()
	for _, g := range []string{dataGroup, historyGroup} {
		p.runners[g] = watchRunners(t, g, s.a, s.b)
	}
	return p
}

// named is a configuration with this plant's names in it.
func (p *plant) named(number, config string) string {
	return strings.NewReplacer("hist-a", "hist-a"+number, "hist-b", "hist-b"+number, "FOLDER", p.dir).Replace(config)
}

// needsCgroups ends the test where hosts can't have control groups.
func (p *plant) needsCgroups() {
	p.t.Helper()
	if _, err := unit.GroupFolder(p.a.host.Path("/sys/fs/cgroup"), historyGroup); err != nil {
		if _, user := rig.Outside(); os.Geteuid() == 0 && !user {
			rig.Missing(p.t, rig.Netns, err)
		}
		p.t.Skipf("needs control groups: %v", err)
	}
}

// openStore makes the store answer, at the client's address.
func (p *plant) openStore() {
	p.t.Helper()
	err := p.client.Do(func() error {
		listener, err := listen(storePort)
		if err == nil {
			p.store.Serve(listener)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

func listen(port int) (net.Listener, error) { return net.Listen("tcp", fmt.Sprintf(":%d", port)) }

// start starts hist-a, and hist-b when hist-a does everything: it keeps it all.
func (p *plant) start() {
	p.t.Helper()
	p.startInOrder()
	p.writes(p.a)
	p.ready(p.b)
}

// ready waits until the node runs its data server.
func (p *plant) ready(n *node) {
	p.t.Helper()
	p.eventually(n.name+" runs its data server", func() bool { return n.group(dataGroup).State == control.GroupRunning })
}

// writes waits until the rows that the store accepts are of that node, which alone runs
// the historian, and every daemon that runs says so.
func (p *plant) writes(n *node) {
	p.t.Helper()
	from := standin.Now()
	p.eventually(n.name+" writes", func() bool {
		r := p.store.Newest()
		return r.Node == n.name && r.At > from
	})
	p.eventually(n.name+" alone runs the historian", func() bool { return slices.Equal(p.runners[historyGroup].now(), []string{n.name}) })
	for _, each := range []*node{p.a, p.b} {
		p.eventually(each.name+" says that "+n.name+" has the historian", func() bool {
			return each.silent() || slices.Equal(each.holders(history), []string{n.name})
		})
	}
}

// sound fails if two ever did what one does.
func (p *plant) sound() {
	p.t.Helper()
	h := p.store.History(0)
	if overlap := h.Overlap(); overlap > 0 {
		p.t.Errorf("two wrote for %v: %v", overlap, h.Tenures())
	}
	if r, ok := h.Rival(); ok {
		p.t.Errorf("beside %v there was a second writer: %v", h.Tenures(), r)
	}
}

// oneRan fails if two hosts ever ran the historian at a time.
func (p *plant) oneRan() {
	p.t.Helper()
	if longest := p.runners[historyGroup].together(); longest > 0 {
		p.t.Errorf("two ran the historian for %v", longest)
	}
}

// served fails if the host answered while it had no data server that runs.
func (p *plant) served(n *node) {
	p.t.Helper()
	if !slices.Contains(p.runners[dataGroup].now(), n.name) {
		p.t.Errorf("%s has the address and no data server", n.name)
	}
}

// group is a group of the node's, as its daemon sees it; the zero one while it says
// nothing.
func (n *node) group(name string) (found control.GroupStatus) {
	st, err := n.control().Status(n.site.t.Context())
	if err != nil {
		return found
	}
	for _, g := range st.Groups {
		if g.Name == name {
			found = g
		}
	}
	return found
}

// holders are those of a token as the node's daemon sees it; nobody while it says
// nothing.
func (n *node) holders(token string) []string {
	st, err := n.control().Status(n.site.t.Context())
	if err != nil {
		return nil
	}
	for _, each := range st.Tokens {
		if each.Name == token {
			return each.Holders
		}
	}
	return nil
}

// silent says whether the daemon is dead or frozen: nobody can ask it.
func (n *node) silent() bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.proc.PID()))
	_, after, _ := strings.Cut(string(text), ") ")
	return err != nil || strings.HasPrefix(after, "T") || strings.HasPrefix(after, "Z")
}

// pids are the processes of a stand-in that the node runs as part of a group.
func (n *node) pids(group string, kind standin.Kind) (list []int) {
	files, _ := filepath.Glob(n.host.Path("/sys/fs/cgroup/vipd/" + group + "/*/cgroup.procs"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(word)
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if name, _, _ := strings.Cut(string(line), "\x00"); filepath.Base(name) == "standin-"+string(kind) {
				list = append(list, pid)
			}
		}
	}
	return list
}

// strike sends a stand-in of the node's a signal.
func (n *node) strike(group string, kind standin.Kind, sig syscall.Signal) {
	n.site.t.Helper()
	pids := n.pids(group, kind)
	if len(pids) != 1 {
		n.site.t.Fatalf("%s has %d of %s", n.name, len(pids), kind)
	}
	if err := syscall.Kill(pids[0], sig); err != nil {
		n.site.t.Fatal(err)
	}
}

// whim has the stand-ins of the node's group misbehave.
func (n *node) whim(group string, w standin.Whims) {
	n.site.t.Helper()
	if err := w.Set(filepath.Join(n.site.dir, group), n.name); err != nil {
		n.site.t.Fatal(err)
	}
}

// lose cuts the power of a node.
func (p *plant) lose(n *node) {
	n.host.Destroy()
}

// boot boots it again, with its daemon.
func (p *plant) boot(n *node) {
	p.t.Helper()
	n.power()
	for _, w := range p.runners {
		w.follow(n.host)
	}
	n.run()
}

// lastServices shows who wrote and who ran what, of a test that failed.
func (p *plant) lastServices() {
	if !p.t.Failed() {
		return
	}
	p.lastWords()
	p.t.Logf("wrote: %v, refused %d", p.store.History(0).Tenures(), len(p.store.History(0).Refused))
	for group, w := range p.runners {
		for _, span := range w.all() {
			p.t.Logf("%s: %8.3f s for %6.3f s: %v", group, span.From.Sub(p.began).Seconds(), span.To.Sub(span.From).Seconds(), span.Owners)
		}
	}
	for _, n := range []*node{p.a, p.b} {
		for _, e := range n.events() {
			p.t.Logf("%s: %8.3f s %s", n.name, e.Time.Sub(p.began).Seconds(), e.Text)
		}
	}
}
