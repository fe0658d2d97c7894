package faults

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vipd/heartbeat/clock"
)

const (
	beatEvery = 200 * time.Millisecond // as configured
	leaseFor  = 5 * beatEvery * 8 / 10
)

// silencing is a way in which a daemon that holds comes to renew no more.
type silencing struct {
	name   string
	strike func(*node)
	mend   func(*node) // it runs on; nil is one that is killed and started again
	word   string      // of the daemon itself, where it can still say something
}

var silencings = []silencing{
	{"stopped", func(n *node) { n.signal(syscall.SIGSTOP) }, func(n *node) { n.signal(syscall.SIGCONT) }, ""},
	{"killed", func(n *node) { n.signal(syscall.SIGKILL) }, nil, ""},
	{"frozen", func(n *node) { n.freeze("1") }, func(n *node) { n.freeze("0") }, ""},
	{"wedged", func(n *node) { n.signal(syscall.SIGUSR1) }, nil, "the deciding loop does not step"},
}

// A daemon that holds is stopped, killed, frozen, or its deciding loop wedged, with the
// last heartbeats before that lost or not. Whatever it was, its kernel answers nothing
// that is asked after the lease's end, the other host takes, the two never answer
// together, and after a thaw nothing comes from the address.
func TestSilencedDaemon(t *testing.T) {
	t.Parallel()
	for _, f := range silencings {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, stays)
			if f.name == "wedged" {
				s.a.exe, s.b.exe = wedgeable.wedgeOnSignal(t), wedgeable.wedgeOnSignal(t)
			}
			s.startInOrder()
			holder, other := s.a, s.b
			for lost, rounds := 0, 0; lost < 4; rounds++ {
				if rounds == 12 {
					t.Fatal("the machine is too busy to strike a holder in time")
				}
				if s.silence(f, holder, other, lost) {
					lost++
				}
				holder, other = other, holder
			}
		})
	}
}

// silence loses the holder's last heartbeats, strikes it, and looks what is seen until
// the pair is whole again, with the other as the holder. It shows nothing, and says so,
// where this test itself was so late that the holder had let go before.
func (s *site) silence(f silencing, holder, other *node, lost int) (shown bool) {
	s.t.Helper()
	said, took, late, from := holder.log.String(), other.said("(peer-silent)"), holder.overlap(), time.Now()
	heal := s.loseHeartbeats(holder, other, lost)
	f.strike(holder)
	struck := time.Now()
	s.eventually("the other took", func() bool { return other.token(front).Holder == other.name })
	if tardy := struck.Sub(from) - time.Duration(lost+1)*beatEvery; tardy > beatEvery/4 && len(holder.leases(1)) == 0 {
		s.t.Logf("%s, %d heartbeats lost: it was struck %v late, and had let go", f.name, lost, tardy)
		heal()
		s.revive(f, holder)
		s.audit(other)
		return false
	}
	expiry := holder.expiry()
	if left := expiry.Sub(struck); f.name != "wedged" && left > leaseFor-time.Duration(lost)*beatEvery {
		s.t.Errorf("%d heartbeats lost: the lease lasted for another %v", lost, left)
	}
	s.answers(other)
	last := s.witness.LastAsked(holder.name).Sub(expiry)
	s.t.Logf("%s, %d heartbeats lost: the last ask it answered was sent %v after the lease's end", f.name, lost, last)
	if last > late+time.Millisecond {
		s.t.Errorf("%d heartbeats lost: its kernel answered what was asked %v after the lease's end", lost, last)
	}
	s.eventually(holder.name+" says of itself: "+f.word, func() bool {
		return strings.Contains(strings.TrimPrefix(holder.log.String(), said), f.word)
	})
	if other.said("(peer-silent)") != took+1 || !strings.Contains(other.alarms(), holder.name+" is not heard") {
		s.t.Errorf("%s does not say that %s fell silent: %s", other.name, holder.name, other.alarms())
	}
	heal()
	s.revive(f, holder)
	s.staysHeld(other, holder, expiry.Add(late+round))
	s.notTwoFor(from, late)
	return true
}

// loseHeartbeats waits for any moment between two heartbeats, and then until that many
// of the node's have not reached the other.
func (s *site) loseHeartbeats(of, to *node, count int) (heal func()) {
	time.Sleep(rand.N(beatEvery))
	if count == 0 {
		return func() {}
	}
	heal = s.deafen(of, to)
	time.Sleep(time.Duration(count) * beatEvery)
	return heal
}

// revive ends what befell the daemon.
func (s *site) revive(f silencing, n *node) {
	s.t.Helper()
	if f.mend != nil {
		f.mend(n)
		return
	}
	n.proc.Kill()
	n.run()
}

// staysHeld waits until both say who holds, and fails if the former holder was heard of
// since.
func (s *site) staysHeld(holder, former *node, since time.Time) {
	s.t.Helper()
	s.eventually(former.name+" takes part again", func() bool {
		st, err := former.control().Status(s.t.Context())
		return err == nil && len(st.Alarms) == 0 && len(other(s, former).status().Alarms) == 0
	})
	s.audit(holder)
	s.answers(holder)
	s.silent(former, since)
}

// other is the node beside this one.
func other(s *site, n *node) *node {
	if n == s.a {
		return s.b
	}
	return s.a
}

// expiry is when the lease of the node's one token ends or ended.
func (n *node) expiry() time.Time {
	n.site.t.Helper()
	left := n.leases(1)
	if len(left) != 1 {
		n.site.t.Fatalf("%s has no lease", n.name)
	}
	return time.Now().Add(left[0])
}

// leases is how long those of the node's first tokens last that have one, by the page
// that outlives the daemon.
func (n *node) leases(tokens int) (left []time.Duration) {
	n.site.t.Helper()
	const header, row, at = 24, 40, 16
	page, err := os.ReadFile(n.host.Path(filepath.Join(runDir, "leases")))
	if err != nil || len(page) < header+tokens*row {
		n.site.t.Fatalf("read the lease page of %s: %d octets, %v", n.name, len(page), err)
	}
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		n.site.t.Fatal(err)
	}
	for i := range tokens {
		if ends := clock.Instant(binary.NativeEndian.Uint64(page[header+i*row+at:])); ends != 0 {
			left = append(left, ends.Sub(clock.Instant(boot.Nano())))
		}
	}
	return left
}

// freeze freezes the daemon's control group, or thaws it.
func (n *node) freeze(value string) {
	n.site.t.Helper()
	folder := n.host.Path("/sys/fs/cgroup/frozen")
	err := os.Mkdir(folder, 0o755)
	if err == nil || os.IsExist(err) {
		err = os.WriteFile(filepath.Join(folder, "cgroup.procs"), []byte(strconv.Itoa(n.proc.PID())), 0)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "cgroup.freeze"), []byte(value), 0)
	}
	if err != nil {
		n.site.t.Skipf("hosts can't have control groups here: %v", err)
	}
}

// wedgeable is the real program with one line more: at SIGUSR1 its deciding loop does
// not step any more.
var wedgeable build

const (
	loopFile  = "../../vipd/daemon/loop.go"
	loopBegin = "func (l *loop) run(ctx context.Context) {\n"
	wedgeFile = `package daemon

import (
	"os"
	"os/signal"
	"syscall"
)

func (l *loop) wedgeOnSignal() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		<-signals
		l.events <- callOnLoop{func() { select {} }}
	}()
}
`
)

// wedgeOnSignal builds it, beside the tree.
func (b *build) wedgeOnSignal(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(loopFile)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), loopBegin); n != 1 {
		t.Fatalf("%s holds %q %d times, not once", loopFile, loopBegin, n)
	}
	loop := strings.Replace(string(source), loopBegin, loopBegin+"\tl.wedgeOnSignal()\n", 1)
	dir, replaced := t.TempDir(), map[string]string{}
	for name, text := range map[string]string{"loop.go": loop, "wedge.go": wedgeFile} {
		place, err := filepath.Abs(filepath.Join(filepath.Dir(loopFile), name))
		if err != nil {
			t.Fatal(err)
		}
		replaced[place] = filepath.Join(dir, name)
		if err := os.WriteFile(replaced[place], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	return b.from(t, "-overlay", overlay)
}
