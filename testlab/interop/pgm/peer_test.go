package pgm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"vipd/testlab/rig"
)

func TestMain(m *testing.M) { os.Exit(rig.Main(m)) }

// need names in VIPD_TEST_REQUIRE what these tests can't do without.
const need = "openpgm"

var build = sync.OnceValues(buildPeer)

// buildPeer compiles peer/openpgm.c against the installed library.
func buildPeer() (string, error) {
	for _, tool := range []string{"gcc", "tshark", "pkg-config"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", err
		}
	}
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "openpgm-5.3").Output()
	if err != nil {
		return "", fmt.Errorf("libpgm-dev: %w", err)
	}
	dir, err := os.MkdirTemp("", "openpgm")
	if err != nil {
		return "", err
	}
	exe := filepath.Join(dir, "openpgm")
	args := append([]string{"-O2", "-Wall", "-Werror", "-o", exe, "peer/openpgm.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile openpgm.c: %w\n%s", err, out)
	}
	return exe, nil
}

// lan is four hosts on a switch.
type lan struct {
	t     *testing.T
	peer  string
	sw    *rig.Switch
	hosts [5]*rig.Host // from 1
	ports [5]*rig.Port
}

func newLAN(t *testing.T) *lan {
	lab := rig.Start(t)
	peer, err := build()
	if err != nil {
		rig.Missing(t, need, err)
	}
	l := &lan{t: t, peer: peer, sw: lab.Switch("lan")}
	for n, name := range []string{"", "source", "recv-a", "recv-b", "other"} {
		if n > 0 {
			l.hosts[n] = lab.Host(name)
			l.ports[n] = l.hosts[n].Plug(l.sw, "eth0", netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/24", n)),
				netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", n)))
		}
	}
	l.introduce()
	return l
}

// introduce tells the hosts each other's hardware addresses for good: a cable
// that loses frames also loses ARP, whose second try takes a second.
func (l *lan) introduce() {
	for at := 1; at < len(l.ports); at++ {
		for of := 1; of < len(l.ports); of++ {
			for _, w := range []way{udp4, udp6} {
				n := &netlink.Neigh{LinkIndex: l.ports[at].Index(), State: netlink.NUD_PERMANENT, IP: w.local(of).AsSlice(), HardwareAddr: l.ports[of].MAC()}
				if at != of {
					if err := l.hosts[at].Handle().NeighSet(n); err != nil {
						l.t.Fatal(err)
					}
				}
			}
		}
	}
}

// peerReport is what openpgm.c prints.
type peerReport struct {
	Source   string
	Received int
	First    int
	Next     int
	Missing  int
	Disorder int
	Corrupt  int
	Resets   int
}

// run is a running openpgm.
type run struct {
	t     *testing.T
	proc  *rig.Proc
	out   *ready
	err   bytes.Buffer
	limit time.Duration
}

// ready keeps what a program prints and says when the first line is there.
type ready struct {
	mu   sync.Mutex
	b    bytes.Buffer
	line chan struct{}
}

func (r *ready) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.line != nil && bytes.IndexByte(p, '\n') >= 0 {
		close(r.line)
		r.line = nil
	}
	return r.b.Write(p)
}

// openpgm starts the peer on host n. A receiver is ready when this returns.
func (l *lan) openpgm(n int, w way, mode string, args ...string) *run {
	l.t.Helper()
	line := make(chan struct{})
	r := &run{t: l.t, out: &ready{line: line}, limit: 60 * time.Second}
	network := fmt.Sprintf("%s;%s", w.local(n), w.group())
	args = append([]string{mode, "network=" + network, fmt.Sprintf("port=%d", w.port()), fmt.Sprintf("name=host%d", n)}, args...)
	proc, err := l.hosts[n].Start(rig.Process{Path: l.peer, Args: args, Stdout: r.out, Stderr: io.Writer(&r.err)})
	if err != nil {
		l.t.Fatal(err)
	}
	r.proc = proc
	if mode == "recv" {
		select {
		case <-line:
		case <-time.After(10 * time.Second):
			l.t.Fatalf("openpgm is not ready: %s", &r.err)
		}
	}
	return r
}

// end tells a sender that everybody has everything: it still answers for a while.
func (r *run) end() { r.proc.Signal(syscall.SIGTERM) } //nolint:errcheck // it has ended by itself

// reports waits for the peer's end and returns what it prints.
func (r *run) reports() []peerReport {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.limit)
	defer cancel()
	if err := r.proc.Wait(ctx); err != nil {
		r.t.Fatalf("openpgm: %v\n%s", err, &r.err)
	}
	var all []peerReport
	for line := range strings.Lines(r.out.b.String()) {
		var p peerReport
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			r.t.Fatalf("openpgm printed %q: %v", line, err)
		}
		if !strings.Contains(line, "ready") {
			all = append(all, p)
		}
	}
	return all
}

// complete wants count messages of one source, from the first on, once each,
// in order and whole.
func (r *run) complete(count int) {
	r.t.Helper()
	all := r.reports()
	want := peerReport{Received: count, Next: count}
	for _, got := range all {
		got.Source = ""
		if got != want {
			r.t.Errorf("openpgm got %+v, want %+v", got, want)
		}
	}
	if len(all) == 0 {
		r.t.Error("openpgm printed nothing")
	}
}
